// VT-d's way from a request to its address space, and its fault reasons.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/architecture.hpp"
#include "models/iommu/vtd/tables.hpp"

#include <cstdint>
#include <string_view>

namespace viosim::vtd {

// VT-d 3.x, 7.1.3 "Fault Reason Encodings", with the numbers that Linux' drivers/iommu/intel/dmar.c
// prints: below 0x20 legacy mode, above scalable mode.
enum class FaultReason : std::uint16_t {
  none = 0,
  root_not_present = 0x01,
  context_not_present = 0x02,
  context_invalid = 0x03,
  beyond_width = 0x04,
  write_denied = 0x05,
  read_denied = 0x06,
  root_reserved = 0x0a,
  context_reserved = 0x0b,
  reserved_in_table = 0x0c,
  blocked = 0x0d,  // translation or translated request, and the context does not allow them
  interrupt_window = 0x0e,
  root_mode = 0x30,  // the translation table mode is reserved, or not the IOMMU's
  legacy_with_pasid = 0x31,
  legacy_page_request = 0x32,
  sm_root_not_present = 0x39,
  sm_root_reserved = 0x3a,
  sm_context_not_present = 0x41,
  sm_context_reserved = 0x42,
  sm_device_tlb_disabled = 0x44,
  sm_pasid_disabled = 0x45,
  sm_pasid_too_large = 0x46,
  sm_page_requests_disabled = 0x47,
  sm_rid_pasid = 0x48,
  sm_directory_not_present = 0x51,
  sm_directory_reserved = 0x52,
  sm_pasid_entry_not_present = 0x59,
  sm_pasid_entry_reserved = 0x5a,
  sm_pasid_entry_invalid = 0x5b,
  sm_execute_disabled = 0x5c,
  sm_supervisor_disabled = 0x5d,
  sm_first_level_not_present = 0x71,
  sm_first_level_reserved = 0x72,
  sm_first_level_beyond_width = 0x74,
  sm_first_level_root_unreadable = 0x75,
  sm_first_level_unreadable = 0x76,
  sm_first_level_unwritable = 0x77,
  sm_second_level_denied = 0x79,
  sm_second_level_reserved = 0x7a,
  sm_not_canonical = 0x80,
  sm_supervisor_page = 0x81,
  sm_no_execute = 0x82,
  sm_second_level_beyond_width = 0x84,
  sm_write_denied = 0x85,
  sm_read_denied = 0x86,
  sm_interrupt_window = 0x87
};

constexpr FaultCode code_of(FaultReason reason) { return static_cast<FaultCode>(reason); }
constexpr FaultReason reason_of(FaultCode code) { return static_cast<FaultReason>(code); }

// RTADDR_REG.TTM.
enum class RootMode : std::uint8_t { legacy = 0, scalable = 1, reserved = 2, abort = 3 };

class VtdArchitecture final : public Architecture {
 public:
  VtdArchitecture(Mode mode, Hpa root_table)
      : Architecture(messages_of(mode)),
        mode_(mode),
        root_table_(root_table),
        root_mode_(mode == Mode::scalable ? RootMode::scalable : RootMode::legacy) {}

  // An architecture is of one mode: a root of the other one refuses all requests.
  void set_root(Hpa root_table, RootMode mode) {
    root_table_ = root_table;
    root_mode_ = mode;
  }
  // Off: requests without a PASID pass as they are, others are refused without a report.
  void enable(bool on) { translates_ = on; }
  bool translates() const { return translates_; }

  // VT-d 3.x, 6.1: what software changes in first-stage tables is no concern of caching mode.
  bool caches_absent_first_pages() const override { return false; }
  bool has_process_tables() const override { return mode_ == Mode::scalable; }
  ConfigStep begin(ConfigWalk& walk) const override;
  ConfigStep with_config(ConfigWalk& walk) const override;
  ConfigStep advance(ConfigWalk& walk, Words words) const override;
  FaultCode refused(const ConfigWalk& walk) const override;
  FaultCode code(PageFault fault, const ConfigWalk& walk) const override;
  // VT-d 3.x, 7.1.2: what software can mend is recoverable; reserved bits are not.
  bool answers_translation(PageFault fault) const override {
    return fault != PageFault::first_malformed && fault != PageFault::second_malformed;
  }
  std::string_view describe(FaultCode code) const override;

 private:
  enum class Phase : std::uint8_t { root, context, directory, pasid_entry };

  static MessageWindow messages_of(Mode mode);
  ConfigStep without_translation(ConfigWalk& walk) const;
  ConfigStep have_root(ConfigWalk& walk, Words words) const;
  ConfigStep have_context(ConfigWalk& walk, Words words) const;
  ConfigStep admit_page_request(ConfigWalk& walk) const;
  ConfigStep have_directory_entry(ConfigWalk& walk, Words words) const;
  ConfigStep have_pasid_entry(ConfigWalk& walk, Words words) const;

  Mode mode_;
  Hpa root_table_;
  RootMode root_mode_;
  bool translates_ = true;
};

}  // namespace viosim::vtd
