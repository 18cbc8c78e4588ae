// RISC-V's commands bit for bit, and what they make the caches forget.
// SPDX-License-Identifier: Apache-2.0
#include "core/des/engine.hpp"
#include "models/host/riscv_command_driver.hpp"
#include "models/iommu/riscv/unit.hpp"
#include "tests/support/catch.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <vector>

using namespace viosim;
using namespace viosim::riscv;

namespace {

using Words2 = std::array<std::uint64_t, 2>;

const Iova iova(0x12'3456'7000);
const Hpa host_page(0x80'0000'0000);
constexpr Permissions all{true, true, true};

DeviceContext context_of(const PageTable& table) {
  DeviceContext context;
  context.valid = true;
  (table.format() == TableFormat::sv ? context.first : context.second) =
      Root::of(table.root(), table.levels());
  return context;
}

}  // namespace

TEST_CASE("RISC-V commands have their bits where the specification has them", "[models][riscv]") {
  struct Example {
    Command command;
    Words2 words;
  };
  const std::vector<Example> examples = {
      {{.type = CommandType::iotinval_vma}, {0x1, 0}},
      {{.type = CommandType::iotinval_vma,
        .address_valid = true,
        .pscid_valid = true,
        .guest_valid = true,
        .pscid = 0xabcde,
        .gscid = 0x1234,
        .address = 0xfedc'ba98'7654'3000},
       {0x0123'4003'abcd'e401, 0x3fb7'2ea6'1d95'0c00}},
      {{.type = CommandType::iotinval_gvma, .guest_valid = true, .gscid = 1},
       {0x0000'1002'0000'0081, 0}},
      {{.type = CommandType::iofence_c,
        .address_valid = true,
        .drain_reads = true,
        .drain_writes = true,
        .data = 0xdead'beef,
        .address = 0x1004},
       {0xdead'beef'0000'3402, 0x401}},
      {{.type = CommandType::iodir_inval_ddt, .device_valid = true, .device = 0xabcdef},
       {0xabcd'ef02'0000'0003, 0}},
      {{.type = CommandType::iodir_inval_pdt, .device_valid = true, .device = 1, .process = 2},
       {0x0000'0102'0000'2083, 0}},
      {{.type = CommandType::ats_inval,
        .process_valid = true,
        .segment_valid = true,
        .device = 0x1234,
        .process = 5,
        .segment = 0x56,
        .payload = 0x7000},
       {0x5612'3403'0000'5004, 0x7000}},
      {{.type = CommandType::ats_prgr, .device = 1, .payload = ~std::uint64_t{0}},
       {0x0000'0100'0000'0084, ~std::uint64_t{0}}}};
  for (const Example& example : examples) {
    INFO("type " << static_cast<unsigned>(example.command.type));
    CHECK(example.command.encode() == example.words);
    REQUIRE(Command::decodable(example.words[0], example.words[1]));
    CHECK(Command::decode(example.words[0], example.words[1]) == example.command);
  }
}

TEST_CASE("illegal RISC-V commands do not decode", "[models][riscv]") {
  const std::vector<Words2> illegal = {
      {0x0, 0},                    // opcode 0
      {0x5, 0},                    // a reserved opcode
      {0x101, 0},                  // a reserved function
      {0x82, 0},                   // of the fence, too
      {0x802, 0},                  // WSI: there are no wired interrupts
      {0x0000'0001'0000'0081, 0},  // GVMA with PSCV
      {0x0000'0004'0000'0001, 0},  // NL: the extension is not there
      {0x1, 0x200},                // S: likewise
      {0x801, 0},                  // a reserved bit
      {0x83, 0},                   // INVAL_PDT without DV
      {0x1003, 0},                 // INVAL_DDT with PID
      {0x3, 1},                    // a reserved word
      {0x2, std::uint64_t{1} << 63U}};
  for (const Words2& words : illegal) {
    INFO(std::hex << words[0] << ' ' << words[1]);
    CHECK_FALSE(Command::decodable(words[0], words[1]));
  }
}

namespace {

// Requesters, each with its own tags, behind one IOMMU whose caches hold a page of each; commands,
// and who still hits.
class Caches : public WalkClient, public CommandListener {
 public:
  explicit Caches(bool caching_mode = false)
      : unit_("iommu", with(caching_mode), 0, engine_.agenda(), memory_, 1),
        driver_(engine_, memory_, unit_.queue(), 50ns) {}

  // `gscid`: nested in that guest.
  std::size_t add(std::optional<std::uint16_t> gscid, std::uint32_t pscid,
                  Pasid process = no_pasid) {
    const auto number = static_cast<std::uint16_t>(ports_.size());
    PageTable& first = tables_.emplace_back(memory_, TableFormat::sv, 3);
    first.map(iova, host_page, 1, all);
    DeviceContext context = context_of(first);
    context.pscid = pscid;
    if (gscid) {
      PageTable& second = tables_.emplace_back(memory_, TableFormat::sv_guest, 4);
      // One to one: the guest's tables are where the host's are.
      const auto top = first.root().page_base(page_1g);
      second.map(Iova(top.value()), top, page_1g.count() >> 12U, all, 3);
      second.map(Iova(host_page.value()), host_page, 1, all);
      context.second = Root::of(second.root(), 4);
      context.gscid = *gscid;
    }
    if (process != no_pasid) {
      ProcessTable processes(memory_, ProcessMode::pd8);
      processes.set(process, {.valid = true, .pscid = pscid, .first = context.first});
      context.process_table = true;
      context.first = processes.root();
    }
    IommuPort port;
    port.source = Bdf(static_cast<std::uint16_t>(0x100 + number));
    port.pasid = process;
    port.device = 1U + number;
    unit_.tables().attach(port.source, context);
    ports_.push_back(port);
    asks_.push_back(iova);
    return number;
  }
  // Two pages of 4 KiB of one leaf of 2 MiB, and one of the next leaf.
  void add_pieces(std::uint16_t gscid, std::uint32_t pscid) {
    const std::size_t number = add(gscid, pscid);
    PageTable& second = tables_.back();
    PageTable& first = tables_[tables_.size() - 2];
    constexpr Hpa in_guest{0x10'0000'0000};  // beyond what is mapped one to one
    first.map(pieces, in_guest, 2 * 512, all, 2);
    for (const std::uint64_t page : {3U, 4U, 512U}) {
      second.map(Iova(in_guest.value() + page * 4096), host_page, 1, all);
      ports_.push_back(ports_[number]);
      asks_.push_back(pieces + Bytes(page * 4096));
    }
  }
  static constexpr Iova pieces{0x4000'0000};
  // Two pages that are not there: in the second stage, under one leaf of the first; without `gscid` in the first.
  void add_absent(std::optional<std::uint16_t> gscid, std::uint32_t pscid) {
    const std::size_t number = add(gscid, pscid);
    faults_ = true;
    if (gscid) tables_[tables_.size() - 2].map(pieces, Hpa(0x10'0000'0000), 512, all, 2);
    for (const std::uint64_t page : {3U, 4U}) {
      ports_.push_back(ports_[number]);
      asks_.push_back(pieces + Bytes(page * 4096));
    }
  }

  // Fills, gives the command, and says of each requester how many reads its next request needs.
  std::vector<std::uint64_t> reads_after(const Command& command) {
    std::vector<std::uint64_t> reads;
    engine_.spawn("test", Lifetime::finishes, [&] {
      for (std::size_t i = 0; i < ports_.size(); ++i) ask(i);
      driver_.submit_and_wait({&command, 1});
      for (std::size_t i = 0; i < ports_.size(); ++i) {
        const std::uint64_t before = unit_.iommu().stats.walk_reads;
        ask(i);
        reads.push_back(unit_.iommu().stats.walk_reads - before);
      }
    });
    engine_.run();
    return reads;
  }

  // The command is done while the requester's walk is under way: how many reads its next request needs.
  std::uint64_t reads_after_overtaken(std::size_t number, const Command& command) {
    std::uint64_t reads = 0;
    engine_.spawn("test", Lifetime::finishes, [&] {
      begin(number);
      driver_.submit_and_wait({&command, 1});
      CHECK(under_way_ == 1);
      engine_.sleep_for(10us);
      const std::uint64_t before = unit_.iommu().stats.walk_reads;
      ask(number);
      reads = unit_.iommu().stats.walk_reads - before;
    });
    engine_.run();
    return reads;
  }

  void walked(std::uint64_t /*cookie*/, const WalkResult& result) override {
    --under_way_;
    CHECK((faults_ || !result.faulted()));
  }

 private:
  static UnitParams with(bool caching_mode) {
    UnitParams params;
    params.caching_mode = caching_mode;
    return params;
  }
  void ask(std::size_t number) {
    begin(number);
    engine_.sleep_for(10us);
  }
  void begin(std::size_t number) {
    const UseStamp stamp = unit_.iommu().use_now();
    IommuPort& port = ports_[number];
    const Iova at = asks_[number];
    Hpa answer;
    if (unit_.iommu().lookup(port, at, Access::read, stamp, answer)) return;
    ++under_way_;
    unit_.iommu().start_walk(port, at, Access::read, stamp, *this, 0);
  }

  bool faults_ = false;
  int under_way_ = 0;
  Engine engine_;
  PhysicalMemory memory_;
  riscv::Unit unit_;
  RiscvCommandDriver driver_;
  std::deque<PageTable> tables_;
  std::deque<IommuPort> ports_;
  std::vector<Iova> asks_;  // of each port
};

}  // namespace

namespace {

struct Case {
  const char* what;
  Command command;
  std::vector<std::uint64_t> reads;
};

// Of the page tables: 3 on the host, 19 - 8 nested under a leaf of 1 GiB. Of the directories 3; of
// the process directory 1.
constexpr std::uint64_t host = 3;
constexpr std::uint64_t nested = 3 * (2 + 1) + 4;
const std::uint64_t page = iova.value();

std::vector<Case> cases() {
  return {
      {"nothing", {.type = CommandType::iofence_c}, {0, 0, 0, 0, 0}},
      {"the host", {.type = CommandType::iotinval_vma}, {host, host, 0, 0, host}},
      {"a host space",
       {.type = CommandType::iotinval_vma, .pscid_valid = true, .pscid = 1},
       {host, 0, 0, 0, 0}},
      {"a page of the host",
       {.type = CommandType::iotinval_vma, .address_valid = true, .address = page},
       {host, host, 0, 0, host}},
      {"another page of the host",
       {.type = CommandType::iotinval_vma, .address_valid = true, .address = page + 0x1000},
       {0, 0, 0, 0, 0}},
      {"a page of a host space",
       {.type = CommandType::iotinval_vma,
        .address_valid = true,
        .pscid_valid = true,
        .pscid = 2,
        .address = page},
       {0, host, 0, 0, 0}},
      {"guest 0, which is not the host",
       {.type = CommandType::iotinval_vma, .guest_valid = true, .gscid = 0},
       {0, 0, nested, 0, 0}},
      {"a guest's space",
       {.type = CommandType::iotinval_vma,
        .pscid_valid = true,
        .guest_valid = true,
        .pscid = 1,
        .gscid = 7},
       {0, 0, 0, nested, 0}},
      {"another of that guest",
       {.type = CommandType::iotinval_vma,
        .pscid_valid = true,
        .guest_valid = true,
        .pscid = 2,
        .gscid = 7},
       {0, 0, 0, 0, 0}},
      {"a guest's second stage",
       {.type = CommandType::iotinval_gvma, .guest_valid = true, .gscid = 7},
       {0, 0, 0, nested, 0}},
      {"a page of it",
       {.type = CommandType::iotinval_gvma,
        .address_valid = true,
        .guest_valid = true,
        .gscid = 7,
        .address = 0x5000},
       {0, 0, 0, nested, 0}},
      {"a device",
       {.type = CommandType::iodir_inval_ddt, .device_valid = true, .device = 0x101},
       {0, 3, 0, 0, 0}},
      {"all devices", {.type = CommandType::iodir_inval_ddt}, {3, 3, 3, 3, 3 + 1}},
      {"a device with processes",
       {.type = CommandType::iodir_inval_ddt, .device_valid = true, .device = 0x104},
       {0, 0, 0, 0, 3 + 1}},
      {"a process",
       {.type = CommandType::iodir_inval_pdt, .device_valid = true, .device = 0x104, .process = 9},
       {0, 0, 0, 0, 1}},
      {"another process",
       {.type = CommandType::iodir_inval_pdt, .device_valid = true, .device = 0x104, .process = 8},
       {0, 0, 0, 0, 0}}};
}

}  // namespace

TEST_CASE("each RISC-V command makes the caches forget what it names", "[models][riscv]") {
  const Case c = GENERATE(from_range(cases()));
  INFO(c.what);
  Caches caches;
  caches.add({}, 1);
  caches.add({}, 2);
  caches.add(std::uint16_t{0}, 1);
  caches.add(std::uint16_t{7}, 1);
  caches.add({}, 5, Pasid(9));
  const auto reads = caches.reads_after(c.command);
  REQUIRE(reads.size() == c.reads.size());
  for (std::size_t i = 0; i < reads.size(); ++i) {
    INFO("requester " << i);
    CHECK(reads[i] == c.reads[i]);
  }
}

TEST_CASE("IOTINVAL.VMA with an address forgets all pieces of a leaf of the first stage",
          "[models][riscv]") {
  const bool one_space = GENERATE(false, true);
  const std::uint64_t offset = GENERATE(0U, 3U, 4U, 511U);
  Caches caches;
  caches.add_pieces(7, 1);
  caches.add_pieces(8, 1);
  const auto reads = caches.reads_after({.type = CommandType::iotinval_vma,
                                         .address_valid = true,
                                         .pscid_valid = one_space,
                                         .guest_valid = true,
                                         .pscid = one_space ? 1U : 0U,
                                         .gscid = 7,
                                         .address = Caches::pieces.value() + offset * 4096});
  const std::uint64_t large = 2 * (2 + 1) + 4;  // one table less
  CHECK(reads == std::vector<std::uint64_t>{0, large, large, 0, 0, 0, 0, 0});
}

TEST_CASE("a walk that is under way brings back no piece of a leaf that a command has forgotten",
          "[models][riscv]") {
  const std::uint64_t piece = GENERATE(3U, 4U);
  const std::uint16_t guest = GENERATE(std::uint16_t{7}, std::uint16_t{8});
  Caches caches;
  caches.add_pieces(7, 1);
  constexpr std::size_t third_page = 1;
  const std::uint64_t reads =
      caches.reads_after_overtaken(third_page, {.type = CommandType::iotinval_vma,
                                                .address_valid = true,
                                                .guest_valid = true,
                                                .gscid = guest,
                                                .address = Caches::pieces.value() + piece * 4096});
  CHECK((reads > 0) == (guest == 7));
}

TEST_CASE("in caching mode a command with an address forgets all that was not there in its space",
          "[models][riscv]") {
  const bool in_guest = GENERATE(false, true);
  const std::uint64_t piece = GENERATE(3U, 4U);
  Caches caches(true);
  caches.add_absent(in_guest ? std::optional<std::uint16_t>(7) : std::nullopt, 1);
  caches.add_absent(8, 1);
  const auto reads = caches.reads_after({.type = CommandType::iotinval_vma,
                                         .address_valid = true,
                                         .guest_valid = in_guest,
                                         .gscid = static_cast<std::uint16_t>(in_guest ? 7 : 0),
                                         .address = Caches::pieces.value() + piece * 4096});
  REQUIRE(reads.size() == 6);
  CHECK(reads[0] == 0);  // it was there, elsewhere
  CHECK(reads[1] > 0);
  CHECK(reads[2] > 0);
  for (const std::size_t other : {3U, 4U, 5U}) CHECK(reads[other] == 0);
}

TEST_CASE("an illegal command stops the queue until software clears the error", "[models][riscv]") {
  Engine engine;
  PhysicalMemory memory;
  UnitParams params;
  params.directory = DirectoryMode::two_level;
  riscv::Unit unit("iommu", params, 0, engine.agenda(), memory, 1);
  CommandQueue& queue = unit.queue();
  const auto put = [&](std::uint32_t slot, const Words2& words) {
    memory.write(queue.base() + Bytes(slot * 16), words[0]);
    memory.write(queue.base() + Bytes(slot * 16 + 8), words[1]);
  };
  const Hpa word = memory.allocate_frames();
  Command fence;
  fence.address_valid = true;
  fence.data = 1;
  fence.address = word.value();
  put(0, fence.encode());
  // A device id that the directory does not reach.
  put(1, Command{.type = CommandType::iodir_inval_ddt, .device_valid = true, .device = 1U << 16U}
             .encode());
  fence.data = 2;
  put(2, fence.encode());
  engine.spawn("software", Lifetime::finishes, [&] {
    queue.write_tail(3);
    engine.sleep_for(10us);
    CHECK(queue.head() == 1);
    CHECK(queue.stats.errors == 1);
    CHECK(memory.read(word) == 1);
    put(1, Command{.type = CommandType::iodir_inval_ddt}.encode());
    queue.clear_error();
    engine.sleep_for(10us);
    CHECK(queue.head() == 3);
    CHECK(memory.read(word) == 2);
  });
  engine.run();
}
