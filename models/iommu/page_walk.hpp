// A walk through the page tables of an address space, as a pure step: given what the last read
// returned, what comes next?
// SPDX-License-Identifier: Apache-2.0
//
// One stage is a walk of its table. Nested, every address that the first stage names (its root, its
// tables, the page) is guest physical and goes through the second stage: (n1+1)(n2+1)-1 reads for
// n1 and n2 levels. Timing is not known here: whoever drives a walk reads memory at `next_read`
// whenever it likes, so tables that change between two reads are seen as hardware would see them.
#pragma once

#include "models/iommu/address_space.hpp"
#include "models/iommu/rights.hpp"

#include <cstdint>

namespace viosim {

enum class Stage : std::uint8_t { first, second };

// Why a walk of page tables failed; what it is called is the architecture's affair.
enum class PageFault : std::uint8_t {
  none,
  first_not_canonical,
  first_absent,
  first_malformed,
  first_no_user,  // a user request met a supervisor page
  first_no_read,
  first_no_write,
  first_no_execute,
  first_table_beyond_width,  // nested: a table's guest physical address
  first_root_no_read,    // nested: the second stage forbids reading the highest first-stage table
  first_table_no_read,   // nested: the same of a lower one
  first_table_no_write,  // the same, to set accessed or dirty
  first_unmarked,        // accessed is clear, or dirty at a write, and not for us to set
  second_beyond_width,
  second_absent,
  second_malformed,
  second_no_read,
  second_no_write,
  second_no_execute,
  second_unmarked
};

enum class WalkStep : std::uint8_t {
  read,     // the entry at next_read() is wanted: advance()
  look_up,  // a cache of upper table entries may be asked: resume() or not_cached()
  update,   // the entry at next_read() is to be replaced, if it has not changed: updated()
  translated,
  faulted
};

// Where a walk of one stage may begin: in the table of `level`, having come past these rights. One
// word, since walks leave and find many: what is not the table is in its address' low 12 bits.
class WalkStart {
 public:
  // `updates`: nested first stage: the second lets accessed and dirty be written in the table.
  constexpr WalkStart(Hpa table, Rights rights, unsigned level, bool updates)
      : bits_(table.value() | level << 7U | (updates ? 1U << 6U : 0U) | rights.bits()) {}
  constexpr WalkStart() = default;

  constexpr Hpa table() const {  // host physical, also of a nested first stage
    return Hpa(bits_ & ~std::uint64_t{0xfff});
  }
  constexpr Rights rights() const { return Rights::of_bits(static_cast<unsigned>(bits_)); }
  constexpr std::uint8_t level() const { return bits_ >> 7U & 7U; }
  constexpr bool updates() const { return (bits_ >> 6U & 1U) != 0; }
  bool operator==(const WalkStart&) const = default;

 private:
  std::uint64_t bits_ = 0;
};

class PageWalk {
 public:
  // `space` outlives the walk. `probe`: only says what would be allowed; lacking rights are no fault (ATS translation
  // requests). `caches`: stop at look_up where a cache may help.
  void begin(const AddressSpace& space, Iova input, Access access, bool privileged, bool probe,
             bool caches);
  // The second stage alone: an IOMMU reads a structure that lies in guest memory.
  void begin_second(const AddressSpace& space, Iova guest, bool caches);

  WalkStep step() const { return step_; }
  Stage stage() const { return part_ == Part::first ? Stage::first : Stage::second; }
  // Of the first stage's leaf, once the page is known; 0: there is no first stage.
  std::uint8_t first_level() const { return first_level_; }
  // The stage that the walk is in: the level of the entry wanted.
  std::uint8_t level() const { return part_ == Part::first ? first_level_ : second_level_; }
  // At `look_up`: the address of this stage that is being translated.
  Iova input() const { return part_ == Part::first ? input_ : guest_; }
  // The walk is of the page itself, not of a first-stage table on the way.
  bool of_page() const { return part_ != Part::second_for_table; }

  // At `read`, `update`.
  Hpa next_read() const { return next_read_; }
  void advance(std::uint64_t entry);
  // At `update`: what is there by now unless someone else wrote, and what is to be there.
  std::uint64_t seen() const { return seen_; }
  std::uint64_t replacement() const { return replacement_; }
  void updated(bool written);  // false: the entry has changed and is read again
  // At `look_up`. False: its rights do not suffice, which counts as none.
  bool resume(WalkStart start);
  void not_cached();
  // At `read`: where the walk would resume.
  WalkStart start() const;

  PageFault fault() const { return fault_; }  // when faulted
  // When translated: the page that both stages map, the smaller of the two.
  Hpa page() const { return page_; }
  std::uint8_t page_level() const {
    return first_level_ == 0              ? second_level_
           : second_level_ == 0           ? first_level_
           : first_level_ < second_level_ ? first_level_
                                          : second_level_;
  }
  Rights rights() const { return first_rights_ & second_rights_; }
  const AddressSpace& space() const { return *space_; }

 private:
  enum class Part : std::uint8_t { first, second_for_table, second_for_page };

  void fail(PageFault fault);
  void done(Hpa address);
  void want(Hpa entry);
  void start_first();
  void read_first(Hpa table);
  void start_second(Part part, Iova guest);
  void read_second(Hpa table);
  void have_first(std::uint64_t bits);
  void have_second(std::uint64_t bits);
  bool dirties(Rights rights) const;
  std::uint64_t used(TableFormat format, std::uint64_t bits, bool leaf, Rights rights) const;
  void update(std::uint64_t bits, std::uint64_t used);
  PageFault first_denied(Rights rights) const;
  PageFault second_denied(Rights rights) const;

  const AddressSpace* space_ = nullptr;
  Iova input_;
  Iova guest_;  // what the second stage translates
  Hpa next_read_;
  Hpa page_;
  std::uint64_t seen_ = 0;
  std::uint64_t replacement_ = 0;
  WalkStep step_ = WalkStep::read;
  Part part_ = Part::first;
  PageFault fault_ = PageFault::none;
  std::uint8_t first_level_ = 0;
  std::uint8_t second_level_ = 0;
  Rights need_;
  Rights first_rights_;
  Rights second_rights_;
  Access access_ = Access::read;
  bool privileged_ = false;
  bool probe_ = false;
  bool caches_ = false;
  bool table_writable_ = true;  // nested: of the first-stage table that is being read
};

}  // namespace viosim

#include "models/iommu/page_walk_steps.hpp"
