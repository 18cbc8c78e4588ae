// What the numbers in a run's trace events stand for, as its own tables say.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/run_reader.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viosim {

// How a field of a kind of event is read, from what the kind's row says of it. A new kind of event
// needs nothing here as long as its row says "number of ..." of what is counted, "requester id" of
// one, lists the values of a code as "0 hit, 1 miss, 0x100 + reason: fault", and what is packed into
// one number as "requester id 15:0, group 31:16, last 32".
class FieldMeaning {
 public:
  FieldMeaning() = default;
  FieldMeaning(std::string_view text, bool of_code);

  bool used() const { return form_ != Form::unused; }
  // The number tells whose part an event is: "number of the miss".
  bool numbers_a_whole() const { return numbers_a_whole_; }
  const std::string& text() const { return text_; }
  std::string of(std::uint64_t value) const;  // empty when the field is not used
  // For a sentence: with what it is.
  std::string named(std::uint64_t value) const;

 private:
  enum class Form : std::uint8_t { unused, decimal, hexadecimal, requester, choice, packed };
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
  bool parse_choices();
  bool parse_parts();

  std::string text_;
  Form form_ = Form::unused;
  bool numbers_a_whole_ = false;
  std::vector<Choice> choices_;
  std::vector<Part> parts_;
};

struct KindMeaning {
  std::string name;
  FieldMeaning address;
  FieldMeaning value;
  FieldMeaning code;
};

class EventNames {
 public:
  explicit EventNames(const RunReader& reader);

  // Of a number that the tables do not have: the number itself, "?7".
  const std::string& component(std::uint32_t number) const;
  const KindMeaning& kind(std::uint16_t number) const;

 private:
  std::vector<std::string> components_;
  std::vector<KindMeaning> kinds_;  // by number
  // Numbers without a name; filled when one is asked for. Not thread-safe.
  mutable std::deque<std::pair<std::uint32_t, std::string>> unknown_components_;
  mutable std::deque<std::pair<std::uint16_t, KindMeaning>> unknown_kinds_;
};

// On one line, for messages: "host0.dmar0 walk at 1.25 us for 80 ns, PASID 1, IOVA 0x1000 ...".
std::string event_text(const TraceEvent& event, const EventNames& names);

}  // namespace viosim
