// The guest, the hypervisor's IOTLB with its rules, and the log they would leave.
// SPDX-License-Identifier: Apache-2.0
#include "tests/run/random_recording.hpp"

#include "core/base/rng.hpp"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <map>
#include <tuple>

namespace viosim::test {
namespace {

constexpr std::array<unsigned, 3> requesters = {0x100, 0x200, 0x201};
constexpr std::uint64_t pages_of_large = 512;

class Guest {
 public:
  explicit Guest(const RandomRecording& wanted) : is_(wanted), rng_(wanted.seed, "recording") {}

  std::string record() {
    add(R"("k":"root","addr":"0x1000","sm":0)");
    for (const unsigned sid : requesters) move(sid);
    for (unsigned i = 0; i < is_.steps; ++i) step(rng_.below(1000));
    return fmt::format(
               R"({{"k":"meta","format":"viommu-trace/1","name":"random","iommu":"intel-vtd","strict":{:d},)"
               R"("caching_mode":true,"scalable_mode":{},"iotlb":{{"capacity":{},"address_width":39}},"records":{}}})",
               is_.strict, is_.scalable, is_.capacity, records_) +
           '\n' + text_;
  }

 private:
  struct Page {
    std::uint64_t frame = 0;
    unsigned permissions = 0;
    bool large = false;
  };
  struct Cached {
    std::uint64_t domain = 0;
    Page page;  // the first
  };
  using Tag = std::tuple<std::uint64_t, unsigned, unsigned>;  // first page, requester, level

  void step(std::uint64_t what) {
    if (what < 80) return map();
    if (what < 120) return unmap();
    if (what < 125) return flush_domain(1 + rng_.below(3));
    if (what < 127) return flush_all(R"("k":"inv","type":"iotlb","hi":"0x0","lo":"0x12")");
    if (what < 128) return flush_all(R"("k":"root","addr":"0x1000","sm":0)");
    if (what < 130) return move(requesters[rng_.below(requesters.size())]);
    request(requesters[rng_.below(requesters.size())]);
  }

  void add(const std::string& members) {
    now_ += rng_.below(5) * 1000;
    text_ += fmt::format("{{\"t\":{},{}}}\n", now_, members);
    ++records_;
  }

  // Another domain; what is cached of the old one stays until it is flushed.
  void move(unsigned sid) {
    add(fmt::format(R"("k":"inv","type":"context","hi":"0x0","lo":"{:#x}")",
                    std::uint64_t{sid} << 32U | 0x31U));
    domain_[sid] = 1 + rng_.below(3);
    if (!is_.scalable)
      add(fmt::format(R"("k":"ctx","sid":{},"hi":"{:#x}","lo":"0x2700005")", sid,
                      domain_[sid] << 8U | 1U));
  }

  void map() {
    const std::uint64_t domain = 1 + rng_.below(3);
    const bool large = is_.large_pages && rng_.below(3) == 0;
    const std::uint64_t each = large ? pages_of_large : 1;
    const std::uint64_t count = 1 + rng_.below(large ? 2 : 16);
    const std::uint64_t first =
        large ? (8 + rng_.below(8)) * pages_of_large : rng_.below(8 * pages_of_large);
    auto& pages = pages_[domain];
    const auto next = pages.lower_bound(first);
    if (next != pages.end() && next->first < first + count * each) return;
    frame_ = (frame_ + each - 1) / each * each;
    const auto asked = static_cast<unsigned>(1 + rng_.below(3));
    const unsigned granted = asked == 2 ? 3 : asked;  // Linux' driver, see sim/recording
    for (std::uint64_t i = 0; i < count * each; ++i)
      pages[first + i] = {frame_ + i, granted, large};
    if (rng_.below(100) < is_.probed_percent) {
      add(fmt::format(
          R"("k":"map","did":{},"iova":"{:#x}","pa":"{:#x}","pgsz":{},"n":{},"prot":{})", domain,
          first << 12U, frame_ << 12U, each << 12U, count, asked));
    }
    frame_ += count * each;
  }

  void unmap() {
    const std::uint64_t domain = 1 + rng_.below(3);
    auto& pages = pages_[domain];
    if (pages.empty()) return;
    const auto chosen = std::next(pages.begin(), static_cast<long>(rng_.below(pages.size())));
    const bool large = chosen->second.large;
    const std::uint64_t each = large ? pages_of_large : 1;
    const std::uint64_t first = chosen->first / each * each;
    add(fmt::format(R"("k":"unmap","did":{},"iova":"{:#x}","pgsz":{},"n":1)", domain, first << 12U,
                    each << 12U));
    pages.erase(pages.lower_bound(first), pages.lower_bound(first + each));
    if (is_.strict) flush_pages(domain, first, large ? 9 : 0);
  }

  void flush_pages(std::uint64_t domain, std::uint64_t page, unsigned mask_bits) {
    add(fmt::format(R"("k":"inv","type":"iotlb","hi":"{:#x}","lo":"{:#x}")",
                    page << 12U | mask_bits, domain << 16U | 0x32U));
    const std::uint64_t mask = ~((std::uint64_t{1} << mask_bits) - 1) & 0xffU;  // in a byte
    std::erase_if(cached_, [&](const auto& entry) {
      const auto [first, sid, level] = entry.first;
      const std::uint64_t pages = level == 1 ? 1 : pages_of_large;
      return entry.second.domain == domain &&
             ((first & mask) == (page & mask) || (page >= first && page < first + pages));
    });
  }

  void flush_domain(std::uint64_t domain) {
    add(fmt::format(R"("k":"inv","type":"iotlb","hi":"0x0","lo":"{:#x}")", domain << 16U | 0x22U));
    std::erase_if(cached_, [&](const auto& entry) { return entry.second.domain == domain; });
  }

  void flush_all(const std::string& record) {
    add(record);
    cached_.clear();
  }

  void request(unsigned sid) {
    const auto& pages = pages_[domain_[sid]];
    std::uint64_t page = rng_.below(16 * pages_of_large);
    if (!pages.empty() && rng_.below(10) != 0)
      page = std::next(pages.begin(), static_cast<long>(rng_.below(pages.size())))->first;
    for (const unsigned level : {1U, 2U}) {
      const std::uint64_t first = level == 1 ? page : page / pages_of_large * pages_of_large;
      const auto hit = cached_.find({first, sid, level});
      if (hit != cached_.end())
        return answer("hit", sid, hit->second.domain, page, page - first, hit->second.page);
    }
    const auto found = pages.find(page);
    if (found == pages.end()) {
      return add(fmt::format(R"("k":"req","sid":{},"iova":"{:#x}","r":"fault","fr":6,"w":0)", sid,
                             page << 12U));
    }
    Page entry = found->second;
    const std::uint64_t offset = entry.large ? page % pages_of_large : 0;
    entry.frame -= offset;
    if (cached_.size() == is_.capacity) cached_.clear();
    cached_[{page - offset, sid, entry.large ? 2 : 1}] = {domain_[sid], entry};
    answer("miss", sid, domain_[sid], page, offset, entry);
  }

  void answer(const char* outcome, unsigned sid, std::uint64_t domain, std::uint64_t page,
              std::uint64_t offset, const Page& entry) {
    const std::uint64_t byte = rng_.below(4096);
    add(fmt::format(
        R"("k":"req","sid":{},"iova":"{:#x}","r":"{}","pa":"{:#x}","sz":{},"pte":"{:#x}","did":{},"w":{})",
        sid, page << 12U | byte, outcome, (entry.frame + offset) << 12U | byte,
        entry.large ? pages_of_large << 12U : 4096,
        entry.frame << 12U | entry.permissions | (entry.large ? 0x80U : 0U), domain,
        entry.permissions == 1 ? 0 : 1));
  }

  const RandomRecording is_;
  Rng rng_;
  std::string text_;
  unsigned records_ = 0;
  std::uint64_t now_ = 0;  // ns
  std::uint64_t frame_ = 0x100000;
  std::map<unsigned, std::uint64_t> domain_;
  std::map<std::uint64_t, std::map<std::uint64_t, Page>> pages_;  // of each domain
  std::map<Tag, Cached> cached_;
};

}  // namespace

std::string random_recording(const RandomRecording& wanted) { return Guest(wanted).record(); }

}  // namespace viosim::test
