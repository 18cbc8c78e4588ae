// What the numbers in events say, in words: read from the sentences of the event_kind table.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/trace.hpp"
#include "models/trace_events.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// How a field of a kind of event is read, from what the kind's row says of it. A new kind of event
// needs nothing here as long as its row says
//   "number of ..."                                    of what is counted;
//   "requester id"                                     of one;
//   "fault reason"                                     of one, as specifications number them;
//   "0 hit, 1 miss, 0x100 + reason: fault, else the x" of a list of values;
//   "... , else the error"                             of Linux' error numbers, without their sign;
//   "requester id 15:0, group 31:16, last 32"          of what is packed into one number;
//   "x: number of the component"                       of a component;
//   "x: 0 the kernel itself, or 1 + number of the component" of an owner;
//   "descriptor type"                                  of a descriptor in value and address.
class FieldMeaning {
 public:
  FieldMeaning() = default;
  // `components`: paths by number, which must outlive it; none: components stay numbers.
  FieldMeaning(std::string_view text, bool of_code,
               const std::vector<std::string>* components = nullptr);

  bool used() const { return form_ != Form::unused; }
  bool of_descriptor() const { return form_ == Form::descriptor; }
  // The number tells whose part an event is: "number of the miss".
  bool numbers_a_whole() const { return numbers_a_whole_; }
  const std::string& text() const { return text_; }
  std::string of(std::uint64_t value) const;  // empty when the field is not used
  // For a sentence: with what it is.
  std::string named(std::uint64_t value) const;

 private:
  enum class Form : std::uint8_t {
    unused,
    decimal,
    hexadecimal,
    requester,
    choice,
    packed,
    component,
    owner,
    descriptor
  };
  struct Choice {
    std::uint64_t value;
    std::string name;
    bool counts_on;  // values above it, too: the name and how far above
  };
  // Some bits of a number; a single one is named when it is set.
  struct Part {
    std::string name;
    unsigned low;
    unsigned bits;
  };
  bool parse_component();
  bool parse_choices();
  bool parse_parts();
  std::string component(std::uint64_t number) const;
  std::string choice_of(std::uint64_t value) const;
  std::string parts_of(std::uint64_t value) const;

  std::string text_;
  Form form_ = Form::unused;
  bool numbers_a_whole_ = false;
  std::vector<Choice> choices_;
  std::string otherwise_;  // what a value is that is none of the choices
  std::vector<Part> parts_;
  const std::vector<std::string>* components_ = nullptr;
};

struct KindMeaning {
  std::string name;
  FieldMeaning address;
  FieldMeaning value;
  FieldMeaning code;

  KindMeaning() = default;
  // `row`: of the table of this program, or of a run's; `components` as above.
  KindMeaning(const EventKindInfo& row, const std::vector<std::string>* components);

  // The code in words; of a descriptor with what it says.
  std::string code_of(const TraceEvent& event) const;
  // All fields that are used: "IOVA 0x1000, host physical address 0x400000004000, hit".
  std::string fields_of(const TraceEvent& event) const;

 private:
  bool is_descriptor(const TraceEvent& event) const;
};

// Of this program's kinds: "host0.kernel.pasids free, PASID 1, asked by host0.vm[0].vfio, it is free". When it
// was, and in which life of the PASID, is not said.
class EventWords {
 public:
  // `components`: paths by number; must outlive it.
  explicit EventWords(const std::vector<std::string>& components);
  EventWords(const EventWords&) = delete;
  EventWords& operator=(const EventWords&) = delete;

  std::string of(const TraceEvent& event) const;

 private:
  const std::vector<std::string>& components_;
  std::vector<KindMeaning> kinds_;
};

}  // namespace viosim
