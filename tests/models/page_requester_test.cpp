// A function's page requests: groups, credits, indexes, responses, and rules broken.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/page_requester.hpp"

#include "tests/support/catch.hpp"

#include <optional>
#include <set>
#include <vector>

using namespace viosim;

namespace {

constexpr Bdf source{1, 0, 0};
constexpr Pasid pasid{5};
constexpr Iova window_end{0x10'0000};
constexpr PageAsker asker{source, pasid, false, window_end};

PageRequester requester(std::uint32_t credits, std::uint32_t group_pages = 1,
                        AtsMisbehaviour wrong = {}) {
  return {{credits, group_pages}, wrong};
}

Iova page(std::uint64_t number) { return Iova(number << 12U); }

std::vector<PageRequest> want(PageRequester& pages, std::uint32_t waiter, std::uint64_t number,
                              Access access = Access::read) {
  std::vector<PageRequest> sends;
  pages.want(asker, waiter, page(number), access, sends);
  return sends;
}

struct AfterAnswer {
  PageRequester::Outcome outcome;
  std::vector<std::uint32_t> waiters;
  std::vector<PageRequest> sends;
};
AfterAnswer answer(PageRequester& pages, std::uint16_t group,
                   PageResponseCode code = PageResponseCode::success) {
  std::vector<PageRequest> sends;
  const auto answered = pages.answered({source, pasid, group, code}, sends);
  std::vector<std::uint32_t> waiters;
  for (const PageWaiter& waiter : answered.waiters) waiters.push_back(waiter.number);
  return {answered.outcome, waiters, sends};
}

using Waiters = std::vector<std::uint32_t>;
using Outcome = PageRequester::Outcome;

}  // namespace

TEST_CASE("an answer is for the function that asked", "[models][pri]") {
  PageRequester pages = requester(4);
  const std::vector<PageRequest> sent = want(pages, 1, 0);
  REQUIRE(sent.size() == 1);
  std::vector<PageRequest> sends;
  const PageResponse others{Bdf(2, 0, 0), pasid, sent[0].group, PageResponseCode::success};
  CHECK(pages.answered(others, sends).waiters.empty());
  CHECK(answer(pages, sent[0].group).waiters == std::vector<std::uint32_t>{1});
}

TEST_CASE("a group is one request for the page, or several, the last one marked", "[models][pri]") {
  PageRequester pages = requester(32, 3);
  const auto sent = want(pages, 0, 7, Access::write);
  REQUIRE(sent.size() == 3);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    CHECK(sent[i].source == source);
    CHECK(sent[i].pasid == pasid);
    CHECK(sent[i].group == sent[0].group);
    CHECK(sent[i].address == page(7 + i));
    CHECK(sent[i].write);
    CHECK_FALSE(sent[i].read);
    CHECK(sent[i].last == (i == 2));
  }
  CHECK(pages.outstanding() == 3);
  // Up to the window's end, and not over pages that are asked for.
  CHECK(want(pages, 1, 254, Access::write).size() == 2);
  CHECK(want(pages, 2, 5, Access::write).size() == 2);
}

TEST_CASE("accesses are asked for as what they are", "[models][pri]") {
  PageRequester pages = requester(32);
  const PageRequest read = want(pages, 0, 1, Access::read).at(0);
  CHECK((read.read && !read.write && !read.execute));
  const PageRequest execute = want(pages, 1, 2, Access::execute).at(0);
  CHECK((execute.read && !execute.write && execute.execute));
  const auto privileged_pages = [] {
    PageRequester supervisor({32, 1}, {});
    PageAsker privileged = asker;
    privileged.privileged = true;
    std::vector<PageRequest> sends;
    supervisor.want(privileged, 0, page(1), Access::read, sends);
    return sends;
  };
  CHECK(privileged_pages().at(0).privileged);
}

TEST_CASE("requests for a page that is asked for wait for its group", "[models][pri]") {
  PageRequester pages = requester(32, 2);
  const auto sent = want(pages, 0, 7);
  CHECK(want(pages, 1, 7).empty());
  CHECK(want(pages, 2, 8).empty());  // asked for in advance
  CHECK(want(pages, 3, 7, Access::write).size() == 2);
  const AfterAnswer after = answer(pages, sent[0].group);
  CHECK(after.outcome == Outcome::retry);
  CHECK(after.waiters == Waiters{0, 1, 2});
}

TEST_CASE("without credits groups wait, in their order", "[models][pri]") {
  PageRequester pages = requester(4, 3);
  const auto first = want(pages, 0, 0);
  const auto second = want(pages, 1, 10);
  CHECK(first.size() == 3);
  REQUIRE(second.size() == 1);  // one credit left
  CHECK(second[0].last);
  CHECK(want(pages, 2, 20).empty());
  CHECK(want(pages, 3, 30).empty());
  CHECK(want(pages, 4, 20).empty());
  const AfterAnswer freed_one = answer(pages, second[0].group);
  REQUIRE(freed_one.sends.size() == 1);
  CHECK(freed_one.sends[0].address == page(20));
  const AfterAnswer freed_three = answer(pages, first[0].group);
  REQUIRE(freed_three.sends.size() == 3);
  CHECK(freed_three.sends[0].address == page(30));
  CHECK(pages.outstanding() == 4);
  CHECK(answer(pages, freed_one.sends[0].group).waiters == Waiters{2, 4});
}

TEST_CASE("an index is unique while its group is outstanding", "[models][pri]") {
  PageRequester pages = requester(4096);
  std::set<std::uint16_t> indexes;
  for (std::uint32_t i = 0; i < PageRequester::indexes; ++i) {
    std::vector<PageRequest> sends;
    pages.want(asker, i, Iova(std::uint64_t{i} << 20U), Access::read, sends);
    REQUIRE(sends.size() == 1);
    CHECK(sends[0].group < PageRequester::indexes);
    indexes.insert(sends[0].group);
  }
  CHECK(indexes.size() == PageRequester::indexes);
  CHECK(want(pages, 999, 1).empty());  // none is left
  const AfterAnswer after = answer(pages, 77);
  REQUIRE(after.sends.size() == 1);
  CHECK(after.sends[0].group == 77);
}

TEST_CASE("what a response means", "[models][pri]") {
  PageRequester pages = requester(32);
  const auto sent = want(pages, 0, 7);
  want(pages, 1, 8);
  SECTION("success: translate again") {
    CHECK(answer(pages, sent[0].group).outcome == Outcome::retry);
    CHECK(pages.outstanding() == 1);
    CHECK(want(pages, 2, 7).size() == 1);
  }
  SECTION("invalid: the requests end") {
    const AfterAnswer after = answer(pages, sent[0].group, PageResponseCode::invalid);
    CHECK(after.outcome == Outcome::end);
    CHECK(after.waiters == Waiters{0});
    CHECK(pages.enabled());
  }
  SECTION("failure: page requests are off, and nobody waits any more") {
    const AfterAnswer after = answer(pages, sent[0].group, PageResponseCode::failure);
    CHECK(after.outcome == Outcome::end);
    CHECK(after.waiters == Waiters{0, 1});
    CHECK_FALSE(pages.enabled());
    CHECK(answer(pages, 1).outcome == Outcome::ignored);
    pages.enable();
    CHECK(pages.outstanding() == 0);
    CHECK(want(pages, 2, 7).size() == 1);
  }
  SECTION("of a group that is not outstanding: unexpected") {
    CHECK(answer(pages, 300).outcome == Outcome::unexpected);
    answer(pages, sent[0].group);
    CHECK(answer(pages, sent[0].group).outcome == Outcome::unexpected);
  }
  SECTION("after a reset: nothing is known") {
    pages.reset();
    CHECK(answer(pages, sent[0].group).outcome == Outcome::ignored);
    pages.enable();
    CHECK(answer(pages, sent[0].group).outcome == Outcome::unexpected);
  }
}

TEST_CASE("what a device that breaks the rules of page requests does", "[models][pri]") {
  SECTION("exceeds its credits") {
    PageRequester pages = requester(2, 2, {.exceed_credits = true});
    for (std::uint32_t i = 0; i < 10; ++i) CHECK(want(pages, i, 10 * i).size() == 2);
    CHECK(pages.outstanding() == 20);
  }
  SECTION("reuses an index: the answer to one group ends another") {
    PageRequester pages = requester(32, 1, {.reuse_group = true});
    const auto first = want(pages, 0, 1);
    const auto second = want(pages, 1, 2);
    CHECK(first.at(0).group == second.at(0).group);
    // Software refuses page 2 and answers it first.
    const AfterAnswer refused = answer(pages, 0, PageResponseCode::invalid);
    CHECK(refused.waiters == Waiters{0});
    CHECK(answer(pages, 0).waiters == Waiters{1});
  }
  SECTION("reuses an index though none is free") {
    PageRequester pages = requester(4096, 1, {.reuse_group = true});
    for (std::uint32_t i = 0; i <= PageRequester::indexes; ++i)
      REQUIRE(want(pages, i, 2 * i).size() == 1);
  }
  SECTION("omits the last flag") {
    PageRequester pages = requester(32, 2, {.omit_last = true});
    for (const PageRequest& sent : want(pages, 0, 1)) CHECK_FALSE(sent.last);
  }
}

namespace {

// Nothing wrong until it is told.
struct OneMisdeed final : Injector {
  Ruling ask(InjectionPoint point, std::uint32_t /*component*/, Pasid /*pasid*/,
             StepSet /*later*/) override {
    Ruling ruling;
    if (misdeed && point == InjectionPoint(*misdeed)) ruling.fate = Fate::misbehave;
    return ruling;
  }
  std::optional<Misdeed> misdeed;
};

}  // namespace

TEST_CASE("rules are broken by injection as by parameter", "[models][pri][inject]") {
  OneMisdeed injector;
  SECTION("an index is used again though none is free") {
    PageRequester pages = requester(4096);
    pages.injection.connect(injector, 0);
    for (std::uint32_t i = 0; i < PageRequester::indexes; ++i)
      REQUIRE(want(pages, i, 2 * i).size() == 1);
    CHECK(want(pages, 999, 2001).empty());
    injector.misdeed = Misdeed::reuse_group;
    const auto sent = want(pages, 1000, 2003);  // and the one that waited
    REQUIRE(sent.size() == 2);
    CHECK((sent[0].group == 0 && sent[1].group == 0));
  }
  SECTION("a group goes on without credits") {
    PageRequester pages = requester(2, 4);
    pages.injection.connect(injector, 0);
    injector.misdeed = Misdeed::exceed_credits;
    CHECK(want(pages, 0, 0).size() == 4);
    CHECK(want(pages, 1, 10).size() == 4);
    CHECK(pages.outstanding() == 8);
  }
}
