// A storm's RISC-V IOMMU: device directories of every depth and format, devices with and without a
// process directory, which for guests lies in guest memory.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "models/iommu/riscv/unit.hpp"
#include "tests/models/storm_system.hpp"

#include <deque>
#include <utility>
#include <vector>

namespace viosim::test {
namespace {

using riscv::Command;
using riscv::CommandType;

class RiscvSystem final : public StormSystem, public riscv::CommandListener {
 public:
  explicit RiscvSystem(const StormWorld& world)
      : world_(world),
        unit_("iommu0", draw(world.rng), 0, world.agenda, world.memory, world.seed),
        fence_(world.memory.allocate_frames()) {
    unit_.queue().listen(*this);
  }

  Iommu& iommu() override { return unit_.iommu(); }
  bool riscv() const override { return true; }
  void add(const StormFunction&) override {}

  void bind(const StormFunction& function, PagedSpace& space) override {
    const SpaceShape& shape = space.shape();
    riscv::DeviceContext context;
    context.valid = true;
    context.ats = function.translations;
    context.pri = function.page_requests;
    context.first_updates = shape.first_updates;
    context.second_updates = shape.second_updates;
    context.second = space.second_root();
    context.gscid = static_cast<std::uint16_t>(shape.domain.value());
    context.pscid = pscid(shape);
    const bool processes = function.pasid != no_pasid && !function.outlaw;
    if (processes) {
      riscv::ProcessTable& table =
          processes_.emplace_back(space.table_memory(), unit_.params().processes);
      riscv::ProcessContext process;
      process.valid = true;
      process.supervisor = function.supervisor;
      process.supervisor_user = shape.rules.supervisor_user;
      process.pscid = pscid(shape);
      process.first = space.first_root();
      table.set(function.pasid, process);
      context.process_table = true;
      context.first = table.root();
    } else {
      context.first = space.first_root();
    }
    unit_.tables().attach(function.source, context);
  }

  bool unbind(const StormFunction& function, const PagedSpace& space) override {
    unit_.tables().detach(function.source);
    Command command;
    command.type = CommandType::iodir_inval_ddt;  // and with it its processes
    command.device_valid = true;
    command.device = function.source.value();
    orders_.push_back(command);
    forget_space(space);
    return false;
  }

  // IOTINVAL with an address leaves pointers to tables alone, in the first stage; a range is not to
  // be had.
  void forget_page(const PagedSpace& space, bool second, Iova at, unsigned level,
                   bool leaf_only) override {
    const SpaceShape& shape = space.shape();
    const unsigned leaf = second ? shape.second_leaf : shape.first_leaf;
    if (level != leaf || (!leaf_only && !second))
      return second ? forget_second(shape) : forget_first(shape);
    forget_address(shape, second, at);
  }
  void forget_guest_frame(const PagedSpace& space, Iova at, bool /*leaf_only*/) override {
    forget_address(space.shape(), true, at);
  }

  void forget_space(const PagedSpace& space) override {
    const SpaceShape& shape = space.shape();
    if (shape.second()) forget_second(shape);
    if (shape.first()) forget_first(shape);
  }

  void forget_nothing() override { orders_.clear(); }
  void respond(const PageResponse&) override {
    ensure(false, "a storm on RISC-V has no page requests to answer");
  }

  void submit(bool at_once, std::function<void()> done) override {
    if (at_once) {
      for (const Command& command : std::exchange(orders_, {})) {
        for (const Invalidation& order : command.invalidations()) iommu().apply(order);
      }
      return done();
    }
    for (const Command& command : std::exchange(orders_, {})) put(command);
    Command fence;
    fence.address_valid = true;
    fence.data = 1;
    fence.address = fence_.value();
    put(fence);
    done_ = std::move(done);
    unit_.queue().write_tail(tail_);
  }
  void fence_written(Hpa) override { std::exchange(done_, {})(); }
  void queue_stopped(std::uint32_t) override { ensure(false, "a command of a storm was refused"); }

 private:
  static riscv::UnitParams draw(Rng& rng) {
    riscv::UnitParams params;
    params.directory =
        rng.below(2) == 0 ? riscv::DirectoryMode::two_level : riscv::DirectoryMode::three_level;
    params.contexts =
        rng.below(2) == 0 ? riscv::ContextFormat::base : riscv::ContextFormat::extended;
    params.processes = static_cast<riscv::ProcessMode>(1 + rng.below(3));
    draw_caches(rng, params);
    for (Ps* time :
         {&params.commands.doorbell, &params.commands.fetch, &params.commands.fetch_each,
          &params.commands.translations, &params.commands.directory, &params.commands.fence})
      *time = storm_time(rng, 4);
    return params;
  }

  static std::uint32_t pscid(const SpaceShape& shape) { return 0x100 + shape.domain.value(); }
  static Command of_space(const SpaceShape& shape) {
    Command command;
    command.type = CommandType::iotinval_vma;
    command.guest_valid = shape.second();
    command.gscid = static_cast<std::uint16_t>(shape.domain.value());
    command.pscid = pscid(shape);
    return command;
  }
  void forget_address(const SpaceShape& shape, bool second, Iova at) {
    Command command = of_space(shape);
    command.address_valid = true;
    command.address = at.page_base(page_4k).value();
    command.type = second ? CommandType::iotinval_gvma : CommandType::iotinval_vma;
    command.pscid_valid = !second;
    orders_.push_back(command);
  }
  void forget_first(const SpaceShape& shape) {
    Command command = of_space(shape);
    command.pscid_valid = true;
    orders_.push_back(command);
  }
  void forget_second(const SpaceShape& shape) {
    Command command = of_space(shape);
    command.type = CommandType::iotinval_gvma;
    orders_.push_back(command);
  }

  void put(const Command& command) {
    const auto words = command.encode();
    const Hpa at = unit_.queue().base() + Bytes(tail_ * riscv::CommandQueue::entry_size().count());
    world_.memory.write(at, words[0]);
    world_.memory.write(at + Bytes(8), words[1]);
    tail_ = (tail_ + 1) % unit_.queue().entries();
  }

  StormWorld world_;
  riscv::Unit unit_;
  std::deque<riscv::ProcessTable> processes_;
  std::vector<Command> orders_;
  std::function<void()> done_;
  Hpa fence_;
  std::uint32_t tail_ = 0;
};

}  // namespace

std::unique_ptr<StormSystem> make_riscv_system(const StormWorld& world) {
  return std::make_unique<RiscvSystem>(world);
}

}  // namespace viosim::test
