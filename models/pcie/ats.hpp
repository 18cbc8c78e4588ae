// Messages between functions with a translation cache of their own and the IOMMU: Address Translation
// Services and the Page Request Interface.
// SPDX-License-Identifier: Apache-2.0
//
// PCIe base specification 5.0, chapter 10. Translation requests and completions are requests of a
// device like others (models/iommu); here are the messages that have no data, and what a completion
// says. A function knows its link and the root does not: AtsFunction is called at the instant at
// which the message leaves the root, AtsHost at the instant at which it arrives there.
#pragma once

#include "core/base/address.hpp"
#include "core/base/time.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace viosim {

// PCIe 10.3: forget translations. Every function answers each with completions that carry its tag.
struct AtsInvalidation {
  Iova address;             // aligned to `size`
  Bytes size = page_4k;     // a power of two; all_addresses: everything
  Pasid pasid{0xffffffff};  // no_pasid: translations without a PASID
  bool all_pasids = false;  // Global Invalidate: of any PASID, and without one
  std::uint8_t tag = 0;     // ITag, below 32
  static constexpr Bytes all_addresses{std::uint64_t{1} << 63U};

  // Whether it reaches a translation of [page, page + of).
  constexpr bool covers(Pasid whose, Iova page, Bytes of) const {
    if (!all_pasids && whose != pasid) return false;
    if (size == all_addresses) return true;
    const Bytes larger = std::max(size, of);
    return page.page_base(larger) == address.page_base(larger);
  }
};

// PCIe 10.2.3: a translation completion's data. Rights are of the privilege that was asked with.
struct TranslationCompletion {
  Hpa page;  // aligned to `size`
  Bytes size = page_4k;
  bool read = false;
  bool write = false;
  bool untranslated_only = false;  // U: the device is to send such requests untranslated
  bool execute = false;
  bool privileged = false;
  // Address 63:12, S 11, Priv 4, Exe 3, U 2, W 1, R 0. With S set, the lowest clear bit of the address,
  // at 12 + n - 1, says 2^n pages.
  std::uint64_t encode() const;
  static TranslationCompletion decode(std::uint64_t bits);
  bool operator==(const TranslationCompletion&) const = default;
};

using PageRequestData = std::array<std::uint64_t, 2>;

// PCIe 10.4.1: a page is needed.
struct PageRequest {
  Bdf source{};
  Pasid pasid{0xffffffff};
  Iova address;             // of a 4 KiB page
  std::uint16_t group = 0;  // PRG index, below 512
  bool read = false;
  bool write = false;
  bool execute = false;
  bool privileged = false;
  bool last = false;  // of its group (LPIG); with neither read nor write: a stop marker
  // The function's own, which its response brings back (VT-d).
  std::optional<PageRequestData> private_data = {};

  // VT-d 3.x, 7.7. Of stop markers, which are last, it is not asked.
  bool wants_response() const { return last || private_data.has_value(); }
};

enum class PageResponseCode : std::uint8_t { success = 0x0, invalid = 0x1, failure = 0xf };

// PCIe 10.4.2: the answer to a whole group.
struct PageResponse {
  Bdf source{};
  Pasid pasid{0xffffffff};
  std::uint16_t group = 0;
  PageResponseCode code = PageResponseCode::success;
  std::optional<PageRequestData> private_data = {};  // of the request that it answers

  static PageResponse to(const PageRequest& last, PageResponseCode code) {
    return {last.source, last.pasid, last.group, code, last.private_data};
  }
};

// A function with a translation cache, to the IOMMU.
class AtsFunction {
 public:
  virtual void invalidate(const AtsInvalidation& invalidation) = 0;
  virtual void answer(const PageResponse& response) = 0;
  // How long an answer is on its way to it.
  virtual Ps answer_time() const { return Ps(0); }

 protected:
  ~AtsFunction() = default;
};

// The IOMMU, to such functions.
class AtsHost {
 public:
  // `tags`: bit t for ITag t. Each invalidation is complete with its first completion here: functions
  // with one path to the root send one.
  virtual void invalidated(Bdf source, std::uint32_t tags) = 0;
  virtual void request_page(const PageRequest& request) = 0;

 protected:
  ~AtsHost() = default;
};

}  // namespace viosim
