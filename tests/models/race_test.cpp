// Races between software and walks: the wrong order of steps shows, the right one cannot.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/lone_iommu.hpp"

#include <set>
#include <vector>

using namespace viosim;
using namespace viosim::test;

using Type = vtd::PasidEntry::Type;

namespace {

// At picoseconds that lie before, at and after every step of a cold walk.
std::vector<Ps> instants(const LoneIommu& lone, int reads) {
  std::vector<Ps> all;
  for (int read = 1; read <= reads + 1; ++read) {
    for (const int offset : {-1, 0, 1}) all.push_back(lone.after_reads(read) + Ps(offset));
  }
  return all;
}

const Hpa old_page(0x5000'0000);
const Hpa new_page(0x6000'0000);

}  // namespace

TEST_CASE("a PASID entry written field by field is seen torn, unless Present is written last",
          "[models][iommu][race]") {
  const bool present_first = GENERATE(true, false);
  std::set<FaultCode> faults;
  bool wrong_page = false;
  LoneIommu sizes({}, {});
  for (const Ps first : instants(sizes, 5)) {
    LoneIommu lone({}, {});
    lone.space().map(0, new_page);
    PagedSpace other(lone.memory(), {});
    other.map(0, old_page);
    // Torn down, and forgotten; the old second-level table is still in the entry.
    vtd::PasidEntry entry = other.entry();
    entry.present = false;
    entry.address_width = 0;
    lone.bind(entry);
    lone.ask(0);
    const auto words = lone.space().entry().encode();
    const Hpa at = *lone.unit().tables().entry(lone.port().source, LoneIommu::pasid);
    const std::uint64_t low = words[0];
    const std::uint64_t torn = present_first ? (low & 0x1ffU) | other.entry().second_level.value()
                                             : low & ~std::uint64_t{1};
    lone.at(first, [&, torn] { lone.memory().write(at, torn); });
    lone.at(first + 20ns, [&] { lone.memory().write(at + Bytes(8), words[1]); });
    lone.at(first + 100ns, [&] { lone.memory().write(at, low); });
    lone.run();
    const WalkResult& result = lone.told(0).result;
    if (result.faulted()) {
      faults.insert(result.fault);
    } else {
      wrong_page = wrong_page || result.translation.page != new_page;
    }
  }
  CHECK(wrong_page == present_first);
  CHECK(faults.count(vtd::code_of(vtd::FaultReason::sm_pasid_entry_not_present)) == 1);
  CHECK(faults.size() == 1);
}

TEST_CASE("a page unmapped during a walk is not answered from the IOTLB once it is invalidated",
          "[models][iommu][race]") {
  const bool right_order = GENERATE(true, false);
  const Type type = GENERATE(Type::second_level, Type::first_level, Type::nested);
  bool stale = false;
  LoneIommu sizes({}, {});
  for (const Ps when : instants(sizes, type == Type::nested ? 28 : 8)) {
    LoneIommu lone({}, {.type = type});
    lone.space().map(0, old_page);
    lone.ask(0);
    const auto change = [&] {
      type == Type::first_level
          ? lone.space().map_first(0, new_page, {true, true})
          : lone.space().map_second(
                type == Type::nested ? lone.space().guest(0) : lone.space().iova(0), new_page,
                {true, true});
    };
    const auto forget = [&] {
      Invalidation order;
      order.scope = type == Type::first_level ? Invalidation::Scope::space_range
                                              : Invalidation::Scope::domain_range;
      order.domain = lone.space().shape().domain;
      order.pasid = LoneIommu::pasid;
      order.address = type == Type::nested ? lone.space().guest(0) : lone.space().iova(0);
      lone.iommu().apply(order);
    };
    lone.at(when, [&] { right_order ? change() : forget(); });
    lone.at(when + 50us, [&] { lone.ask(0); });
    lone.at(when + 100us, [&] { right_order ? forget() : change(); });
    lone.run();
    stale = stale || lone.answer(0).translation.page != new_page;
    // The invalidation meets the walk: changed before it, forgotten during it.
    LoneIommu meets({}, {.type = Type::second_level});
    meets.space().map(0, old_page);
    meets.ask(0);
    meets.at(when, [&] {
      meets.space().map(0, new_page);
      meets.iommu().apply({});
    });
    meets.run();
    CHECK(meets.answer(0).translation.page == new_page);
  }
  CHECK(stale == !right_order);
}

TEST_CASE("what a read has cached does not let a write through that has to set dirty",
          "[models][iommu][race]") {
  const Type type = GENERATE(Type::second_level, Type::first_level);
  LoneIommu lone({}, {.type = type, .second_updates = true});
  lone.space().map(0, old_page);
  const TableFormat format =
      type == Type::first_level ? TableFormat::first_level : TableFormat::second_level;
  const Hpa leaf = lone.space().leaf_entry(0);
  lone.memory().write(leaf, lone.memory().read(leaf) & ~dirty_bit(format));
  CHECK_FALSE(lone.ask_alone(0).result.faulted());
  CHECK(lone.ask_alone(0).hit);
  CHECK((lone.memory().read(leaf) & dirty_bit(format)) == 0);
  const LoneIommu::Told write = lone.ask_alone(0, Access::write);
  CHECK_FALSE(write.hit);
  CHECK(write.after == 9ns + 5 * 80ns);  // the look-ups, four reads, one update
  CHECK((lone.memory().read(leaf) & dirty_bit(format)) != 0);
  CHECK(lone.ask_alone(0, Access::write).hit);
}

TEST_CASE("an update that meets a change of its entry is done again with what is there now",
          "[models][iommu][race]") {
  const int offset = GENERATE(-79'999, -1, 0, 1);  // to the end of the update
  LoneIommu lone({}, {.second_updates = true});
  lone.space().map(0, old_page);
  const Hpa leaf = lone.space().leaf_entry(0);
  const std::uint64_t dirty = dirty_bit(TableFormat::second_level);
  lone.memory().write(leaf, lone.memory().read(leaf) & ~dirty);
  // Nothing else is to be set.
  for (unsigned level = 2; level <= 4; ++level) {
    const Hpa at = lone.space().second_entry(lone.space().iova(0), level);
    lone.memory().write(at, lone.memory().read(at) | accessed_bit(TableFormat::second_level));
  }
  lone.ask(0, Access::write);
  const Ps update_ends = lone.after_reads(9);
  lone.at(update_ends + Ps(offset), [&] {
    lone.space().map(0, new_page);
    lone.memory().write(leaf, lone.memory().read(leaf) & ~dirty);
  });
  lone.run();
  const LoneIommu::Told& told = lone.told(0);
  const bool late = offset > 0;
  CHECK(told.result.translation.page == (late ? old_page : new_page));
  CHECK(told.after == (late ? update_ends : update_ends + 160ns));  // read again, updated again
  CHECK(((lone.memory().read(leaf) & dirty) != 0) == !late);
}
