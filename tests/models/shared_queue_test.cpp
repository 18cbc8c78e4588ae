// Shared work queues: what an ENQCMD takes, when it has to be tried again, what becomes of descriptors;
// slices of a function.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/shared_queue.hpp"

#include "models/cpu/cpus.hpp"
#include "models/device/enqcmd.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/function_rig.hpp"

#include <map>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

using Outcome = SharedQueue::End;

struct SharedRig : SharedQueue::Listener {
  explicit SharedRig(const SharedQueueParams& params, std::uint32_t queues = 8)
      : device(rig.add_ats(0, {queues, 2ns}, {.lives = &lives})),
        queue(device, 0, params, {}, 1, rig.rig.engine.agenda()),
        cpus(rig.rig.engine, "kernel", 8) {
    for (std::uint32_t p = 0; p < 3; ++p) rig.attach(0, Pasid(p + 1), rig.space(p));
  }
  SharedQueue::Descriptor descriptor(std::uint32_t pasid, std::uint64_t requests,
                                     std::uint64_t cookie = 0) {
    SharedQueue::Descriptor descriptor;
    descriptor.pasid = Pasid(pasid);
    descriptor.dma = one_per_page(4, requests);
    descriptor.listener = this;
    descriptor.cookie = cookie;
    return descriptor;
  }
  template <class F>
  void thread(F&& body) {
    rig.rig.engine.spawn("thread", Lifetime::finishes, [this, body] {
      Thread self(rig.rig.engine, cpus);
      self.start(cpus.take());
      body(self);
      self.stop();
    });
  }
  void descriptor_ended(std::uint64_t cookie, Outcome end) override { ends[cookie].push_back(end); }
  Ps now() const { return rig.rig.engine.now().since_start(); }

  PasidLives lives;
  FunctionRig rig;
  AtsDevice& device;
  SharedQueue queue;
  Cpus cpus;
  std::map<std::uint64_t, std::vector<Outcome>> ends;
};

}  // namespace

TEST_CASE("an ENQCMD takes a non-posted round trip, accepted or not", "[models][queues][enqcmd]") {
  SharedQueueParams params{1, 1, 100ns, 70ns};
  SharedRig rig(params);
  std::vector<bool> accepted;
  std::vector<Ps> took;
  rig.thread([&](Thread& self) {
    for (int i = 0; i < 3; ++i) {
      const Ps before = rig.now();
      accepted.push_back(enqcmd(self, rig.queue, rig.descriptor(1, 100)));
      took.push_back(rig.now() - before);
    }
  });
  rig.rig.run();
  // One is worked on, one waits, and there is no entry for the third.
  CHECK(accepted == std::vector{true, true, false});
  CHECK(took == std::vector<Ps>{500ns, 500ns, 470ns});
  CHECK(rig.queue.stats().refused == 1);
  CHECK(rig.queue.stats().longest == 1);
  CHECK(rig.ends[0] == std::vector{Outcome::done, Outcome::done});
  CHECK(rig.cpus.stats(0).working == 1470ns);
}

TEST_CASE("the default round trip of an ENQCMD is 500 ns, and a thread gives up after 32 tries",
          "[models][queues][enqcmd]") {
  SharedQueueParams params;
  params.entries = 1;
  params.engines = 1;
  SharedRig rig(params);
  Ps took(0);
  std::uint32_t tries = 1;
  rig.thread([&](Thread& self) {
    for (int i = 0; i < 2; ++i) CHECK(enqcmd(self, rig.queue, rig.descriptor(1, 1000)));
    const Ps before = rig.now();
    tries = enqcmd(self, rig.queue, rig.descriptor(1, 1), EnqcmdParams{});
    took = rig.now() - before;
  });
  rig.rig.run();
  CHECK(tries == 0);
  CHECK(took == 32 * 500ns + 31 * 50ns);
  CHECK(rig.queue.stats().refused == 32);
}

TEST_CASE("a thread that ends in an ENQCMD leaves no submission behind, wherever its descriptor is",
          "[models][queues][enqcmd]") {
  const Ps gone = GENERATE(0ns, 199ns, 200ns, 201ns, 299ns, 300ns, 499ns);
  SharedRig rig({1, 1, 100ns, 100ns});
  rig.thread([&](Thread& self) {
    const std::uint32_t submission = rig.queue.submit(rig.descriptor(1, 1));
    self.sleep(gone);
    rig.queue.forget(submission);
    self.sleep(10us);
    CHECK(rig.queue.submissions() == 0);
    CHECK(enqcmd(self, rig.queue, rig.descriptor(1, 1)));
  });
  rig.rig.run();
  CHECK(rig.ends[0] == std::vector{Outcome::done, Outcome::done});
  CHECK(rig.queue.submissions() == 0);
}

TEST_CASE("descriptors of many processes are done with their own PASIDs, each once",
          "[models][queues][enqcmd]") {
  SharedRig rig({4, 2, 100ns, 100ns});
  constexpr std::uint64_t each = 40;
  for (std::uint32_t p = 1; p <= 3; ++p) {
    rig.thread([&, p](Thread& self) {
      for (std::uint64_t i = 0; i < each; ++i)
        while (!enqcmd(self, rig.queue, rig.descriptor(p, 3, p * 1000 + i))) {
        }
    });
  }
  rig.rig.run();
  CHECK(rig.queue.stats().accepted == 3 * each);
  CHECK(rig.queue.stats().refused > 0);
  CHECK(rig.ends.size() == 3 * each);
  for (const auto& [cookie, ends] : rig.ends) CHECK(ends == std::vector{Outcome::done});
  std::map<std::uint64_t, std::uint64_t> requests;
  for (const Ended& ended : rig.rig.ended.all) ++requests[ended.hpa >> 30U];
  for (std::uint64_t space = 1; space <= 3; ++space) CHECK(requests[space] == 3 * each);
  CHECK(rig.device.in_flight() == 0);
}

TEST_CASE("a descriptor whose pages are refused ends with an error", "[models][queues][enqcmd]") {
  SharedRig rig({4, 2, 100ns, 100ns});
  rig.thread([&](Thread& self) {
    SharedQueue::Descriptor wrong = rig.descriptor(1, 2, 7);
    wrong.base = Iova(1 << 30U);
    CHECK(enqcmd(self, rig.queue, wrong));
    CHECK(enqcmd(self, rig.queue, rig.descriptor(1, 2, 8)));
  });
  rig.rig.run();
  CHECK(rig.ends[7] == std::vector{Outcome::failed});
  CHECK(rig.ends[8] == std::vector{Outcome::done});
  CHECK(rig.queue.stats().failed == 1);
}

TEST_CASE("a PASID that is stopped ends its descriptors, and leaves the others theirs",
          "[models][queues][enqcmd]") {
  SharedRig rig({16, 2, 100ns, 100ns});
  StopNote note(rig.rig.rig.engine);
  rig.device.listen_to_pasids(note);
  rig.thread([&](Thread& self) {
    for (std::uint64_t i = 0; i < 8; ++i)
      CHECK(enqcmd(self, rig.queue, rig.descriptor(1 + i % 2, 50, i)));
    rig.queue.stop_pasid(Pasid(1), false);
    self.wait(note.signal);
    CHECK_FALSE(rig.device.pasid_in_use(Pasid(1)));
  });
  rig.rig.run();
  for (std::uint64_t i = 0; i < 8; ++i) {
    CAPTURE(i);
    CHECK(rig.ends[i] == std::vector{i % 2 == 0 ? Outcome::aborted : Outcome::done});
  }
  CHECK(rig.queue.waiting() + rig.queue.at_work() == 0);
  CHECK(note.pasids == std::vector{Pasid(1)});
}

TEST_CASE("a reset loses a shared queue's descriptors, and a portal that is gone says try again",
          "[models][queues][enqcmd]") {
  SharedRig rig({16, 2, 100ns, 100ns});
  rig.thread([&](Thread& self) {
    for (std::uint64_t i = 0; i < 5; ++i) CHECK(enqcmd(self, rig.queue, rig.descriptor(1, 100, i)));
    rig.device.reset_function();
    CHECK(rig.queue.waiting() + rig.queue.at_work() == 0);
    CHECK(rig.queue.stats().lost == 5);
    CHECK(enqcmd(self, rig.queue, rig.descriptor(2, 5, 100)));
    CHECK(rig.queue.stats().lost == 5);
    self.run(100us);
    rig.device.remove();
    CHECK_FALSE(enqcmd(self, rig.queue, rig.descriptor(2, 5, 101)));
  });
  rig.rig.run();
  CHECK(rig.ends.size() == 1);
  CHECK(rig.ends[100] == std::vector{Outcome::done});
  CHECK(rig.queue.stats().unanswered == 1);
}

TEST_CASE("a slice of a function uses its default PASID where none is asked for",
          "[models][queues]") {
  SharedRig rig({4, 2, 100ns, 100ns});
  Adi adi(rig.device, 4, 2, Pasid(3));
  rig.thread([&](Thread& self) {
    QueueWork work;
    work.dma = one_per_page(4, 4);
    adi.enable(0, work);
    work.pasid = Pasid(1);
    adi.enable(1, work);
    CHECK(rig.device.queue_state(4) == QueueState::running);
    CHECK(rig.device.pasid_in_use(Pasid(3)));
    self.run(100us);
    adi.stop_queue(0, false);
    CHECK(adi.queue_state(0) == QueueState::disabled);
    CHECK(adi.queue_state(1) == QueueState::running);
  });
  rig.rig.run();
  CHECK(rig.rig.ended.all.size() == 8);
}

TEST_CASE("a descriptor is of the life of its PASID in which it was sent, however long it waits",
          "[models][queues][trace]") {
  struct Begun final : TraceObserver {
    void observe(const TraceEvent& event) override {
      if (static_cast<EventKind>(event.kind) == EventKind::work_begun)
        epochs.push_back(event.epoch);
    }
    bool wants_requests() const override { return false; }
    std::vector<std::uint32_t> epochs;
  } begun;
  SharedRig rig({8, 1, 100ns, 100ns});
  rig.rig.rig.tracer().start(begun);
  rig.lives.begin(Pasid(1));
  const auto send = [&](std::uint32_t life) {
    SharedQueue::Descriptor descriptor = rig.descriptor(1, 100);
    descriptor.pasid_life = life;
    rig.queue.forget(rig.queue.submit(descriptor));
  };
  rig.rig.run_at(0ns, [&] {
    send(1);
    send(1);
  });
  rig.rig.run_at(300ns, [&] {
    rig.lives.begin(Pasid(1));
    send(2);
    send(0);  // not told: that of the moment when it begins
  });
  rig.rig.run();
  CHECK(begun.epochs == std::vector<std::uint32_t>{1, 1, 2, 2});
}
