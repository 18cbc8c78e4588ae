// Whatever is done to them, sets and references answer, and tell, as the naive ones do.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"
#include "ioasid/references.hpp"
#include "ioasid/sets.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/ioasid/naive_sets.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <array>
#include <ostream>
#include <string_view>
#include <utility>

namespace {

using fakes::data;
using ioasid::Ioasid;
using ioasid::SetNumber;

constexpr std::uint32_t capacity = 20;
constexpr std::array<char, 3> processes{};

const void* process(std::uint32_t n) { return n < 3 ? &processes[n] : nullptr; }

// An operation: its meaning in each layer is in the tables below. Numbers are small, so that they
// meet.
struct Op {
  std::uint32_t kind;
  SetNumber set;  // 0 is no_set
  Ioasid id;
  std::uint32_t more;
};

// SetSpace on a space with one allocator that comes and goes, as the naive one looks.
class RealSets : ioasid::Notifier {
 public:
  RealSets() {
    sets.install_capacity(capacity);
    sets.register_notifier(*this, ioasid::Priority::cpu);
  }
  ioasid::Error arrive() { return space_.register_allocator(ops_); }
  ioasid::Error depart() { return space_.unregister_allocator(ops_); }
  ioasid::Space& space() { return space_; }

 private:
  void notify(const ioasid::Notice& notice) noexcept override {
    told.push_back(naive::line_of(notice));
  }
  ioasid::DefaultBackend backend_;
  ioasid::AllocatorOps ops_{&backend_, &backend_, nullptr};
  ioasid::Space space_;

 public:
  std::vector<std::string> told;
  ioasid::SetSpace sets{space_};
};

using Answer = std::uint64_t;
Answer number(ioasid::Error error) { return static_cast<Answer>(static_cast<int>(error)); }
Answer number(ioasid::Found found) {
  return number(found.error) ^ reinterpret_cast<std::uintptr_t>(found.data);
}

struct SetCall {
  std::string_view name;
  Answer (*real)(RealSets&, const Op&);
  Answer (*naive)(naive::Sets&, const Op&);
};

ioasid::SetSpec spec_of(const Op& op) {
  const void* token = process(op.id % 5);
  return {token == nullptr ? ioasid::SetType::null : ioasid::SetType::mm, token, op.more};
}

// NOLINTBEGIN(readability-identifier-naming): short names, the table is read across
using R = RealSets;
using N = naive::Sets;
// NOLINTEND(readability-identifier-naming)

constexpr std::array set_calls{
    SetCall{"alloc",
            [](R& r, const Op& o) -> Answer {
              return r.sets.alloc(o.set, {o.id, o.id + o.more}, data(o.more));
            },
            [](N& n, const Op& o) -> Answer {
              return n.alloc(o.set, o.id, o.id + o.more, data(o.more));
            }},
    SetCall{"free", [](R& r, const Op& o) { return number(r.sets.free(o.set, o.id)); },
            [](N& n, const Op& o) { return number(n.free(o.set, o.id)); }},
    SetCall{"get", [](R& r, const Op& o) { return number(r.sets.get(o.set, o.id)); },
            [](N& n, const Op& o) { return number(n.get(o.set, o.id)); }},
    SetCall{"put", [](R& r, const Op& o) { return number(r.sets.put(o.set, o.id)); },
            [](N& n, const Op& o) { return number(n.put(o.set, o.id)); }},
    SetCall{"get_if_owned",
            [](R& r, const Op& o) { return number(r.sets.get_if_owned(process(o.more), o.id)); },
            [](N& n, const Op& o) { return number(n.get_if_owned(process(o.more), o.id)); }},
    SetCall{"find", [](R& r, const Op& o) { return number(r.sets.find(o.set, o.id)); },
            [](N& n, const Op& o) { return number(n.find(o.set, o.id)); }},
    SetCall{"attach_data",
            [](R& r, const Op& o) { return number(r.sets.attach_data(o.id, data(o.more))); },
            [](N& n, const Op& o) { return number(n.attach_data(o.id, data(o.more))); }},
    SetCall{"detach_data", [](R& r, const Op& o) { return number(r.sets.detach_data(o.id)); },
            [](N& n, const Op& o) { return number(n.detach_data(o.id)); }},
    SetCall{"attach_spid",
            [](R& r, const Op& o) { return number(r.sets.attach_spid(o.id, o.more - 1)); },
            [](N& n, const Op& o) { return number(n.attach_spid(o.id, o.more - 1)); }},
    SetCall{"detach_spid", [](R& r, const Op& o) { return number(r.sets.detach_spid(o.id)); },
            [](N& n, const Op& o) { return number(n.detach_spid(o.id)); }},
    SetCall{"find_by_spid",
            [](R& r, const Op& o) -> Answer {
              return r.sets.find_by_spid(o.set, o.more - 1, o.id % 2 == 1);
            },
            [](N& n, const Op& o) -> Answer {
              return n.find_by_spid(o.set, o.more - 1, o.id % 2 == 1);
            }},
    SetCall{"alloc_set",
            [](R& r, const Op& o) { return number(r.sets.alloc_set(spec_of(o)).error); },
            [](N& n, const Op& o) { return number(n.make(spec_of(o).token, o.more)); }},
    SetCall{"free_set", [](R& r, const Op& o) { return number(r.sets.free_set(o.set)); },
            [](N& n, const Op& o) { return number(n.free_set(o.set)); }},
    SetCall{"free_all_in_set",
            [](R& r, const Op& o) { return number(r.sets.free_all_in_set(o.set)); },
            [](N& n, const Op& o) { return number(n.free_all(o.set)); }},
    SetCall{"adjust_quota",
            [](R& r, const Op& o) { return number(r.sets.adjust_quota(o.set, o.more)); },
            [](N& n, const Op& o) { return number(n.adjust(o.set, o.more)); }},
    SetCall{"reserve_capacity",
            [](R& r, const Op& o) { return number(r.sets.reserve_capacity(o.more)); },
            [](N& n, const Op& o) { return number(n.reserve(o.more)); }},
    SetCall{"cancel_capacity",
            [](R& r, const Op& o) { return number(r.sets.cancel_capacity(o.more)); },
            [](N& n, const Op& o) { return number(n.cancel(o.more)); }},
    SetCall{"arrive", [](R& r, const Op&) { return number(r.arrive()); },
            [](N& n, const Op&) { return number(n.arrive()); }},
    SetCall{"depart", [](R& r, const Op&) { return number(r.depart()); },
            [](N& n, const Op&) { return number(n.depart()); }},
    SetCall{"Space::alloc",
            [](R& r, const Op& o) -> Answer {
              return r.space().alloc(&processes, {o.id, o.id + o.more}, data(o.more));
            },
            [](N& n, const Op& o) -> Answer {
              return n.alloc_elsewhere(o.id, o.id + o.more, data(o.more));
            }},
    SetCall{"Space::free", [](R& r, const Op& o) { return number(r.space().free(o.id)); },
            [](N& n, const Op& o) { return number(n.free_elsewhere(o.id)); }},
};

std::ostream& operator<<(std::ostream& out, const Op& op) {
  return out << set_calls[op.kind % set_calls.size()].name << " set=" << op.set << " id=" << op.id
             << " more=" << op.more;
}

}  // namespace

namespace rc {
template <>
struct Arbitrary<Op> {
  static Gen<Op> arbitrary() {
    // Calls on ids are as likely as each other, what ends many ids at once half as likely.
    const auto kind = gen::apply([](std::uint32_t n) { return n < 42 ? n / 2 : (n - 42) % 5; },
                                 gen::inRange<std::uint32_t>(0, 62));
    return gen::build<Op>(gen::set(&Op::kind, kind),
                          gen::set(&Op::set, gen::inRange<SetNumber>(0, 6)),
                          gen::set(&Op::id, gen::inRange<Ioasid>(0, 12)),
                          gen::set(&Op::more, gen::inRange<std::uint32_t>(0, 9)));
  }
};
}  // namespace rc

namespace {

void agree_on_sets(const std::vector<Op>& ops) {
  RealSets real;
  naive::Sets naive(capacity);
  const auto step = [&](const Op& op) {
    const SetCall& call = set_calls[op.kind];
    RC_ASSERT(call.real(real, op) == call.naive(naive, op));
    RC_ASSERT(std::exchange(real.told, {}) == std::exchange(naive.told, {}));
    RC_ASSERT(real.sets.capacity_left() == naive.left());
  };
  // Some sets to begin with: each without a process, and two with one.
  for (std::uint32_t n = 0; n < 4; ++n) step({11, 0, n, 4});
  for (const Op& op : ops) step(op);
  for (Ioasid id = 0; id < 30; ++id) {
    RC_ASSERT(real.sets.find_set(id) == naive.find_set(id));
    RC_ASSERT(real.sets.references(id) == naive.references(id));
  }
  RC_ASSERT(real.space().size() == naive.live());
  for (SetNumber set = 0; set < 12; ++set) RC_ASSERT(real.sets.size(set) == naive.size(set));
}

void agree_on_references(const std::vector<Op>& ops) {
  ioasid::DefaultBackend backend;
  const ioasid::AllocatorOps allocator{&backend, &backend, nullptr};
  ioasid::Space space;
  ioasid::References real(space);
  naive::References naive;
  for (const Op& op : ops) {
    switch (op.kind % 10) {
      case 0:
        RC_ASSERT(space.register_allocator(allocator) == naive.arrive());
        break;
      case 1:
        RC_ASSERT(space.unregister_allocator(allocator) == naive.depart());
        break;
      case 2:
      case 3:
        RC_ASSERT(real.alloc(nullptr, {op.id, op.id + op.more}, nullptr) ==
                  naive.alloc(op.id, op.id + op.more));
        break;
      case 4:
      case 5:
        RC_ASSERT(real.get(op.id) == naive.get(op.id));
        break;
      case 6:
        RC_ASSERT(space.free(op.id) == naive.free(op.id));
        break;
      case 7:
        RC_ASSERT(space.alloc(nullptr, {op.id, op.id + op.more}, nullptr) ==
                  naive.alloc(op.id, op.id + op.more));
        break;
      default:
        RC_ASSERT(real.put(op.id) == naive.put(op.id));
    }
    for (Ioasid id = 0; id < 21; ++id) RC_ASSERT(real.count(id) == naive.count(id));
  }
}

}  // namespace

TEST_CASE("any history of sets agrees with the naive one, notices and all") {
  CHECK(rc::check(
      "sets", [] { agree_on_sets(*rc::gen::scale(4.0, rc::gen::arbitrary<std::vector<Op>>())); }));
}

TEST_CASE("any history of references agrees with the naive one") {
  CHECK(rc::check("references", [] {
    agree_on_references(*rc::gen::scale(4.0, rc::gen::arbitrary<std::vector<Op>>()));
  }));
}
