// Every kind of request and every fault, cold and warm: what it takes, term by term.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/lone_iommu.hpp"
#include "tests/support/terms.hpp"

#include <functional>
#include <optional>
#include <vector>

using namespace viosim;
using namespace viosim::test;

using Type = vtd::PasidEntry::Type;
using Reason = vtd::FaultReason;
using vtd::Mode;

namespace {

constexpr Bdf enabled(0x200);  // a function that may do everything

struct Ask {
  Access access = Access::read;
  AddressType type = AddressType::untranslated;
  bool privileged = false;
  Iova iova{0};
};

// One page, mapped for everything, at address 0; the function `enabled` uses the space, too.
class World {
 public:
  World(Mode mode, Type type) : lone(telling(mode), {.type = type}) {
    if (type != Type::pass_through) lone.space().map(0, Hpa(0x5000'0000), {true, true, true, true});
    if (mode == Mode::legacy) {
      attach([](vtd::LegacyContext& context) { context.translation_type = 1; });
    } else {
      attach([](vtd::ScalableContext&) {});
      entry([](vtd::PasidEntry& e) { e.supervisor_requests = e.execute_requests = true; });
    }
  }

  // Puts this function's context entry there instead, and lets it ask.
  void attach(const std::function<void(vtd::ScalableContext&)>& change) {
    vtd::ScalableContext context;
    context.pasid_enable = context.device_tlb_enable = context.page_request_enable = true;
    context.rid_pasid = LoneIommu::pasid;
    change(context);
    lone.port().source = Bdf(static_cast<std::uint16_t>(enabled.value() + functions_++));
    lone.unit().tables().attach(lone.port().source, 64, context);
    lone.bind(lone.space().entry());
  }
  void attach(const std::function<void(vtd::LegacyContext&)>& change) {
    vtd::LegacyContext context = lone.space().context();
    change(context);
    lone.port().source = enabled;
    lone.unit().tables().attach(enabled, context);
  }
  void entry(const std::function<void(vtd::PasidEntry&)>& change) {
    vtd::PasidEntry entry = lone.space().entry();
    change(entry);
    lone.bind(entry);
  }
  void write_first(unsigned level, std::uint64_t bits) {
    lone.memory().write(lone.space().first_entry(0, level), bits);
  }
  void write_second(Iova at, unsigned level, std::uint64_t bits) {
    lone.memory().write(lone.space().second_entry(at, level), bits);
  }
  LoneIommu::Told ask(const Ask& how) {
    lone.port().privileged = how.privileged;
    return lone.ask_alone_at(how.iova, how.access, how.type);
  }

  LoneIommu lone;

 private:
  std::uint16_t functions_ = 0;
};

// What it takes when no cache knows anything, and the second time.
struct Costs {
  Terms cold;
  Terms warm;
};

// Nothing is known; then what the caches keep of a fault: the tables that led to it.
constexpr Terms at_root{.context = 1, .reads = 1, .faults = 1};
constexpr Terms at_context{.context = 1, .reads = 2, .faults = 1};
constexpr Terms at_known_context{.context = 1, .pasid = 1, .faults = 1};
constexpr Terms walked(unsigned reads) { return {.context = 1, .reads = reads, .faults = 1}; }
constexpr Terms known_to_legacy(unsigned reads) {
  return {.context = 1, .iotlb = 1, .reads = reads, .faults = 1};
}
constexpr Terms known_to_scalable(unsigned reads) {
  return {.context = 1, .pasid = 1, .iotlb = 1, .reads = reads, .faults = 1};
}
// A fault in page tables after so many reads of them.
constexpr Costs in_legacy(unsigned reads) { return {walked(2 + reads), known_to_legacy(reads)}; }
constexpr Costs in_pages(unsigned reads) { return {walked(4 + reads), known_to_scalable(reads)}; }

struct Fault {
  Reason reason;
  Mode mode;
  Type type;
  Costs costs;
  Ask ask;
  std::function<void(World&)> spoil;
};

void nothing(World&) {}

std::vector<Fault> legacy_faults();
std::vector<Fault> entry_faults();
std::vector<Fault> page_faults();

void check_fault(const Fault& fault) {
  World world(fault.mode, fault.type);
  fault.spoil(world);
  INFO(fmt::format("fault {:#x}", static_cast<unsigned>(fault.reason)));
  world.ask(fault.ask);  // accessed and dirty are set where they will be
  world.lone.iommu().drop_all();
  for (const Terms& terms : {fault.costs.cold, fault.costs.warm}) {
    const LoneIommu::Told told = world.ask(fault.ask);
    CHECK(vtd::reason_of(told.result.fault) == fault.reason);
    check(told, terms);
  }
}

}  // namespace

TEST_CASE("every fault of legacy mode adds its record to what was looked up and read",
          "[models][iommu][closed]") {
  for (const Fault& fault : legacy_faults()) check_fault(fault);
}

TEST_CASE("every fault on the way to a PASID entry, and of it, adds its record to the sum",
          "[models][iommu][closed]") {
  for (const Fault& fault : entry_faults()) check_fault(fault);
}

TEST_CASE("every fault of scalable-mode page tables adds its record to the sum",
          "[models][iommu][closed]") {
  for (const Fault& fault : page_faults()) check_fault(fault);
}

TEST_CASE("every kind of request takes the sum of its parts, cold and warm",
          "[models][iommu][closed]") {
  struct Kind {
    const char* what;
    Ask ask;
    bool translates;
  };
  const std::vector<Kind> kinds = {
      {"read", {}, true},
      {"write", {Access::write}, true},
      {"execute", {Access::execute}, true},
      {"supervisor's read", {Access::read, AddressType::untranslated, true}, true},
      {"supervisor's write", {Access::write, AddressType::untranslated, true}, true},
      {"translation request", {Access::read, AddressType::translation}, true},
      {"the same, to write", {Access::write, AddressType::translation}, true},
      {"the same, to execute", {Access::execute, AddressType::translation}, true},
      {"translated request", {Access::read, AddressType::translated}, false},
      {"page request", {Access::read, AddressType::page_request}, false}};
  const auto [type, pages] = GENERATE(table<Type, unsigned>({{Type::first_level, 4},
                                                             {Type::second_level, 4},
                                                             {Type::nested, 24},
                                                             {Type::pass_through, 0}}));
  for (const Kind& kind : kinds) {
    INFO(kind.what << ", space of type " << static_cast<int>(type));
    World world(Mode::scalable, type);
    world.ask(kind.ask);
    world.lone.iommu().drop_all();
    const unsigned reads = kind.translates ? 4 + pages : 2;
    check(world.ask(kind.ask), {.context = 1, .reads = reads});
    const LoneIommu::Told warm = world.ask(kind.ask);
    CHECK(warm.hit);
    check(warm,
          kind.translates ? Terms{.context = 1, .pasid = 1, .iotlb = 1} : Terms{.context = 1});
  }
}

TEST_CASE("who had to read its entries finds its page in the IOTLB all the same",
          "[models][iommu][closed]") {
  using What = Invalidation::What;
  struct Case {
    Mode mode;
    std::vector<What> forgotten;
    Terms terms;
  };
  const std::vector<Case> cases = {
      {Mode::legacy, {What::devices}, {.context = 1, .iotlb = 1, .reads = 2}},
      {Mode::scalable, {What::devices}, {.context = 1, .iotlb = 1, .reads = 2}},
      {Mode::scalable, {What::processes}, {.context = 1, .pasid = 1, .iotlb = 1, .reads = 2}},
      {Mode::scalable, {What::devices, What::processes}, {.context = 1, .iotlb = 1, .reads = 4}}};
  const Case c = GENERATE_COPY(from_range(cases));
  const Ask ask = GENERATE(Ask{Access::read}, Ask{Access::write}, Ask{Access::execute},
                           Ask{Access::read, AddressType::translation});
  World world(c.mode, Type::second_level);
  Iommu& iommu = world.lone.iommu();
  world.ask(ask);
  world.lone.space().map(0, Hpa(0x6000'0000));  // of which the IOTLB is not told
  for (const What what : c.forgotten) {
    Invalidation order;
    order.what = what;
    iommu.apply(order);
  }
  const std::uint64_t hits = iommu.iotlb_stats().hits;
  const Ps others = iommu.translation_latency().max();
  const LoneIommu::Told told = world.ask(ask);
  check(told, c.terms);
  CHECK(told.result.translation.page == Hpa(0x5000'0000));
  CHECK(iommu.iotlb_stats().hits == hits + 1);
  CHECK(iommu.translation_latency().count() == 2);
  CHECK(iommu.translation_latency().max() == others);
  CHECK(iommu.translation_latency().min() == c.terms.sum());
}

TEST_CASE("a translation request that lacks rights is answered without a fault, after its walk",
          "[models][iommu][closed]") {
  const auto [type, reads] = GENERATE(
      table<Type, unsigned>({{Type::first_level, 1}, {Type::second_level, 1}, {Type::nested, 5}}));
  World world(Mode::scalable, type);
  if (type == Type::second_level) {
    world.write_second(Iova(0), 4, 0);
  } else {
    world.write_first(4, 0);
  }
  const Ask ask{Access::read, AddressType::translation};
  check(world.ask(ask), {.context = 1, .reads = 4 + reads});
  const LoneIommu::Told told = world.ask(ask);
  CHECK_FALSE(told.result.faulted());
  CHECK(told.result.translation.rights.empty());
  check(told, {.context = 1, .pasid = 1, .iotlb = 1, .reads = reads});
}

namespace {

const Ask translation{Access::read, AddressType::translation};
const Ask translated{Access::read, AddressType::translated};
const Ask page_request{Access::read, AddressType::page_request};
const Ask message{Access::read, AddressType::untranslated, false, Iova(0xfee0'0000)};
const Ask high{Access::read, AddressType::untranslated, false, Iova(std::uint64_t{1} << 50U)};
const Ask supervisor{Access::read, AddressType::untranslated, true};
const Ask write{Access::write};
const Ask execute{Access::execute};

std::vector<Fault> legacy_faults() {
  const auto row = [](Reason reason, Costs costs, Ask ask, std::function<void(World&)> spoil) {
    return Fault{reason, Mode::legacy, Type::second_level, costs, ask, std::move(spoil)};
  };
  const auto context = [](const std::function<void(vtd::LegacyContext&)>& change) {
    return [change](World& world) { world.attach(change); };
  };
  const auto leaf = [](std::uint64_t bits) {
    return [bits](World& world) { world.write_second(Iova(0), 1, 0x5000'0000 | bits); };
  };
  const Costs blocked{at_context, {.context = 1, .faults = 1}};
  return {
      row(Reason::root_not_present, {at_root, at_root}, {},
          [](World& world) { world.lone.port().source = Bdf(0x700); }),
      row(Reason::context_not_present, {at_context, at_context}, {},
          [](World& world) { world.lone.port().source = Bdf(0x201); }),
      row(Reason::context_invalid, {at_context, at_context}, {},
          context([](vtd::LegacyContext& c) { c.translation_type = 3; })),
      row(Reason::legacy_with_pasid, {{.context = 1, .faults = 1}, {.context = 1, .faults = 1}}, {},
          [](World& world) { world.lone.port().pasid = Pasid(1); }),
      row(Reason::beyond_width, in_legacy(0), high, nothing),
      row(Reason::write_denied, in_legacy(4), write, leaf(1)),
      row(Reason::read_denied, in_legacy(4), {}, leaf(2)),
      row(Reason::read_denied, in_legacy(4), {}, leaf(0)),
      row(Reason::reserved_in_table, in_legacy(1), {},
          [](World& world) { world.write_second(Iova(0), 4, 0x83); }),
      row(Reason::blocked, {at_context, known_to_legacy(0)}, translation,
          context([](vtd::LegacyContext& c) { c.translation_type = 0; })),
      row(Reason::blocked, blocked, translated,
          context([](vtd::LegacyContext& c) { c.translation_type = 0; })),
      row(Reason::legacy_page_request, {{.context = 1, .faults = 1}, {.context = 1, .faults = 1}},
          page_request, nothing),
      row(Reason::interrupt_window, in_legacy(0), message, nothing),
  };
}

std::vector<Fault> entry_faults() {
  const auto row = [](Reason reason, Costs costs, Ask ask, std::function<void(World&)> spoil) {
    return Fault{reason, Mode::scalable, Type::first_level, costs, ask, std::move(spoil)};
  };
  const auto context = [](const std::function<void(vtd::ScalableContext&)>& change) {
    return [change](World& world) { world.attach(change); };
  };
  const auto entry = [](const std::function<void(vtd::PasidEntry&)>& change) {
    return [change](World& world) { world.entry(change); };
  };
  const auto pasid = [](Pasid value) {
    return [value](World& world) { world.lone.port().pasid = value; };
  };
  const Costs of_context{at_context, at_known_context};
  const Costs untranslated{at_context, {.context = 1, .faults = 1}};
  return {
      row(Reason::sm_root_not_present, {at_root, at_root}, {},
          [](World& world) { world.lone.port().source = Bdf(0x700); }),
      row(Reason::sm_context_not_present, {at_context, at_context}, {},
          [](World& world) { world.lone.port().source = Bdf(0x27f); }),
      row(Reason::sm_device_tlb_disabled, of_context, translation,
          context([](vtd::ScalableContext& c) { c.device_tlb_enable = false; })),
      row(Reason::sm_device_tlb_disabled, untranslated, translated,
          context([](vtd::ScalableContext& c) { c.device_tlb_enable = false; })),
      row(Reason::sm_page_requests_disabled, untranslated, page_request,
          context([](vtd::ScalableContext& c) { c.page_request_enable = false; })),
      row(Reason::sm_pasid_disabled, of_context, {},
          context([](vtd::ScalableContext& c) { c.pasid_enable = false; })),
      row(Reason::sm_pasid_too_large, of_context, {}, pasid(Pasid(0xfffff))),
      row(Reason::sm_rid_pasid, of_context, {},
          [](World& world) {
            world.attach([](vtd::ScalableContext& c) { c.rid_pasid = Pasid(0x80000); });
            world.lone.port().pasid = no_pasid;
          }),
      row(Reason::sm_directory_not_present,
          {walked(3), {.context = 1, .pasid = 1, .reads = 1, .faults = 1}}, {}, pasid(Pasid(640))),
      row(Reason::sm_pasid_entry_not_present,
          {walked(4), {.context = 1, .pasid = 1, .reads = 2, .faults = 1}}, {}, pasid(Pasid(6))),
      row(Reason::sm_pasid_entry_invalid,
          {walked(4), {.context = 1, .pasid = 1, .reads = 2, .faults = 1}}, {},
          entry([](vtd::PasidEntry& e) { e.type = static_cast<Type>(5); })),
      row(Reason::sm_execute_disabled, in_pages(0), execute,
          entry([](vtd::PasidEntry& e) { e.supervisor_requests = true; })),
      row(Reason::sm_supervisor_disabled, in_pages(0), supervisor,
          entry([](vtd::PasidEntry& e) { e.execute_requests = true; })),
      row(Reason::sm_interrupt_window, in_pages(0), message,
          [](World& world) { world.lone.port().pasid = no_pasid; }),
  };
}

std::vector<Fault> page_faults() {
  std::vector<Fault> rows;
  const auto row = [&](Reason reason, Type type, unsigned reads, Ask ask,
                       std::function<void(World&)> spoil) {
    rows.push_back({reason, Mode::scalable, type, in_pages(reads), ask, std::move(spoil)});
  };
  const auto first = [](unsigned level, std::uint64_t bits) {
    return [=](World& world) { world.write_first(level, bits); };
  };
  const auto second = [](unsigned level, std::uint64_t bits) {
    return [=](World& world) { world.write_second(Iova(0), level, bits); };
  };
  constexpr std::uint64_t used = 0x5000'0060;  // the page, accessed and dirty
  // One stage: level 4 is read first.
  for (unsigned level = 1; level <= 4; ++level) {
    row(Reason::sm_first_level_not_present, Type::first_level, 5 - level, {}, first(level, 0));
    row(Reason::sm_second_level_denied, Type::second_level, 5 - level, {}, second(level, 0));
    // Nested: each entry of the first stage is found by four reads of the second.
    row(Reason::sm_first_level_not_present, Type::nested, 5 * (5 - level), {}, first(level, 0));
  }
  row(Reason::sm_first_level_reserved, Type::first_level, 1, {}, first(4, 0x87 | 0x20));
  row(Reason::sm_second_level_reserved, Type::second_level, 1, {}, second(4, 0x83));
  row(Reason::sm_not_canonical, Type::first_level, 0, high, nothing);
  row(Reason::sm_not_canonical, Type::nested, 0, high, nothing);
  row(Reason::sm_second_level_beyond_width, Type::second_level, 0, high, nothing);
  row(Reason::sm_supervisor_page, Type::first_level, 4, {}, first(1, used | 3));
  row(Reason::sm_write_denied, Type::first_level, 4, write, first(1, used | 5));
  row(Reason::sm_write_denied, Type::second_level, 4, write, second(1, 0x5000'0001));
  row(Reason::sm_read_denied, Type::second_level, 4, {}, second(1, 0x5000'0002));
  row(Reason::sm_no_execute, Type::first_level, 4, execute, [](World& world) {
    world.entry([](vtd::PasidEntry& e) { e.no_execute = e.execute_requests = true; });
    world.write_first(1, used | 7 | std::uint64_t{1} << 63U);
  });
  row(Reason::sm_no_execute, Type::second_level, 4, execute, [](World& world) {
    world.entry([](vtd::PasidEntry& e) { e.second_execute = e.execute_requests = true; });
    world.write_second(Iova(0), 1, 0x5000'0003);
  });
  // A first-stage table beyond the second stage's 48 bits, or not there in it, or not writable.
  row(Reason::sm_first_level_beyond_width, Type::nested, 5, {},
      first(4, (std::uint64_t{1} << 49U) | 0x27));
  const auto second_of_table = [](World& world, std::uint64_t flags, bool used_before) {
    const Hpa root = world.lone.space().entry().first_level;
    const Hpa slot = world.lone.space().second_entry(Iova(root.value()), 1);
    if (!used_before)
      world.write_first(4,
                        world.lone.memory().read(world.lone.space().first_entry(0, 4)) & ~0x20ULL);
    const std::uint64_t bits = world.lone.memory().read(slot);
    world.lone.memory().write(slot, (bits & ~std::uint64_t{7}) | flags);
  };
  row(Reason::sm_first_level_root_unreadable, Type::nested, 4, {},
      [=](World& world) { second_of_table(world, 2, true); });
  row(Reason::sm_first_level_unreadable, Type::nested, 9, {}, [](World& world) {
    const std::uint64_t next = world.lone.memory().read(world.lone.space().first_entry(0, 4));
    const Hpa slot = world.lone.space().second_entry(Iova(next & 0x000f'ffff'ffff'f000), 1);
    const std::uint64_t bits = world.lone.memory().read(slot);
    world.lone.memory().write(slot, (bits & ~std::uint64_t{7}) | 2U);
  });
  row(Reason::sm_first_level_unwritable, Type::nested, 5, {},
      [=](World& world) { second_of_table(world, 1, false); });
  row(Reason::sm_second_level_denied, Type::nested, 4, {},
      [=](World& world) { second_of_table(world, 0, true); });
  // What the stages give in the end.
  const auto of_page = [](std::uint64_t bits) {
    return [=](World& world) { world.write_second(world.lone.space().guest(0), 1, bits); };
  };
  row(Reason::sm_second_level_denied, Type::nested, 24, {}, of_page(0));
  row(Reason::sm_write_denied, Type::nested, 24, write, of_page(0x5000'0001));
  row(Reason::sm_read_denied, Type::nested, 24, {}, of_page(0x5000'0002));
  row(Reason::sm_interrupt_window, Type::first_level, 4, {}, first(1, 0xfee0'0067));
  row(Reason::sm_interrupt_window, Type::nested, 24, {}, of_page(0xfee0'0003));
  return rows;
}

}  // namespace
