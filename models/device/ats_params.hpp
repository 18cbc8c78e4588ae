// The parameters of a function that uses Address Translation Services and page requests, what is
// counted, and what it may do wrong.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "models/injection.hpp"
#include "models/iommu/cache.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace viosim {

// What the specification forbids, to see what it does.
struct AtsMisbehaviour {
  bool use_after_stop = false;
  bool keep_invalidated = false;
  bool never_answer = false;
  bool answer_twice = false;
  bool exceed_credits = false;
  bool reuse_group = false;
  bool omit_last = false;
  bool wrong_pasid = false;
  bool zero_pasid = false;
  bool stop_early = false;

  static constexpr auto fields() {
    using M = AtsMisbehaviour;
    return Fields{
        field("use_after_stop", &M::use_after_stop,
              "Goes on sending requests after it was stopped."),
        field("keep_invalidated", &M::keep_invalidated,
              "Answers invalidations and goes on using the translations."),
        field("never_answer", &M::never_answer, "Never answers invalidations."),
        field("answer_twice", &M::answer_twice, "Answers each invalidation twice."),
        field("exceed_credits", &M::exceed_credits,
              "Sends page requests without regard to credits."),
        field("reuse_group", &M::reuse_group,
              "Gives every page request group the index 0, answered or not."),
        field("omit_last", &M::omit_last,
              "Never marks the last request of a group, so that no group is ever answered but for "
              "its private data."),
        field("wrong_pasid", &M::wrong_pasid,
              "Sends the requests of each queue with PASID 0xfffff, not with the queue's own."),
        field("zero_pasid", &M::zero_pasid,
              "Sends them with PASID 0, which stands for requests that have none."),
        field("stop_early", &M::stop_early,
              "Says that a queue has stopped while requests of it wait for pages.")};
  }
  bool operator==(const AtsMisbehaviour&) const = default;
};

// Whether it always does so.
constexpr bool does(const AtsMisbehaviour& always, Misdeed misdeed) {
  constexpr std::array members = {
      &AtsMisbehaviour::use_after_stop, &AtsMisbehaviour::keep_invalidated,
      &AtsMisbehaviour::never_answer,   &AtsMisbehaviour::answer_twice,
      &AtsMisbehaviour::exceed_credits, &AtsMisbehaviour::reuse_group,
      &AtsMisbehaviour::omit_last,      &AtsMisbehaviour::wrong_pasid,
      &AtsMisbehaviour::zero_pasid,     &AtsMisbehaviour::stop_early};
  return always.*members[static_cast<std::size_t>(misdeed)];
}

struct AtsParams {
  CacheParams tlb{256, 0, Replacement::lru, 2ns};
  Ps completion = 50ns;
  Ps invalidation = 300ns;
  AtsMisbehaviour misbehaviour;

  static constexpr auto fields() {
    using P = AtsParams;
    return Fields{
        embedded(&P::tlb),
        field(
            "completion", &P::completion,
            "Translation completion received to request sent on: taking the translation up.",
            "assumed; two links, the look-ups of an IOTLB hit and this are a round trip of 459 ns"),
        field("invalidation", &P::invalidation,
              "Invalidation received to answer, where no request has to be waited for.", "assumed"),
        field("misbehaviour", &P::misbehaviour, "What it does wrong.")};
  }
  bool operator==(const AtsParams&) const = default;
};

struct PriParams {
  std::uint32_t credits = 32;
  std::uint32_t group_pages = 1;
  bool private_data = false;
  static constexpr std::uint32_t group_indexes = 512;  // 9 bits

  static constexpr auto fields() {
    using P = PriParams;
    return Fields{
        field("credits", &P::credits,
              "Page requests that may be outstanding: the allowance that software writes.",
              "assumed, of small devices; Linux asks for its queue's size")
            .from(1),
        field("group_pages", &P::group_pages,
              "Pages asked for by one group, as far as credits allow: the one that is needed and "
              "those that follow it in the window.",
              "1: nothing is asked for in advance")
            .from(1)
            .to(group_indexes),
        field(
            "private_data", &P::private_data,
            "The last request of each group carries data of the function's own, and a response "
            "without the same is none of its groups'.",
            "VT-d 3.x, 7.4.1: of functions within the processor's package; PCIe has no such data")};
  }
  bool operator==(const PriParams&) const = default;
};

struct AtsStats {
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t faults = 0;
  std::uint64_t aborted = 0;
  std::uint64_t dropped = 0;
  std::uint64_t translations = 0;
  std::uint64_t translated = 0;
  std::uint64_t untranslated = 0;
  std::uint64_t overtaken = 0;
  std::uint64_t invalidations = 0;
  std::uint64_t page_requests = 0;
  std::uint64_t page_groups = 0;
  std::uint64_t page_responses = 0;
  std::uint64_t unexpected_responses = 0;
  std::uint64_t ignored_responses = 0;
  static constexpr auto fields() {
    using S = AtsStats;
    return Fields{
        metric("requests", &S::requests, Unit::count, "Requests issued."),
        metric("hits", &S::hits, Unit::count,
               "Look-ups, those after a page request included, answered by the device TLB."),
        metric("misses", &S::misses, Unit::count, "Look-ups that were not."),
        metric("faults", &S::faults, Unit::count,
               "Translations without the rights that were needed, and refused ones."),
        metric("aborted", &S::aborted, Unit::count, "Requests that ended with an error."),
        metric("dropped", &S::dropped, Unit::count, "Requests lost by a function-level reset."),
        metric("translations", &S::translations, Unit::count, "Translation requests sent."),
        metric("translated", &S::translated, Unit::count, "Translated requests sent."),
        metric("untranslated", &S::untranslated, Unit::count,
               "Requests sent untranslated, since their translation said so."),
        metric("overtaken", &S::overtaken, Unit::count,
               "Translation completions not used, for an invalidation came before them."),
        metric("invalidations", &S::invalidations, Unit::count, "Invalidations received."),
        metric("page_requests", &S::page_requests, Unit::count,
               "Page requests sent, stop markers included."),
        metric("page_groups", &S::page_groups, Unit::count, "Groups of page requests sent."),
        metric("page_responses", &S::page_responses, Unit::count, "Groups answered."),
        metric("unexpected_responses", &S::unexpected_responses, Unit::count,
               "Responses to a group that was not outstanding (UPRGI)."),
        metric("ignored_responses", &S::ignored_responses, Unit::count,
               "Responses while page requests were disabled.")};
  }
};

}  // namespace viosim
