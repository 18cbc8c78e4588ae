// The bit positions of each command, in both directions, and what they order.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/riscv/command.hpp"

#include "core/base/error.hpp"
#include "models/iommu/bits.hpp"
#include "models/iommu/riscv/structures.hpp"

namespace viosim::riscv {
namespace {

constexpr std::uint64_t bits(unsigned low, unsigned count) {
  return ((std::uint64_t{1} << count) - 1) << low;
}

struct Used {
  std::uint64_t low = 0;  // the bits that are defined
  std::uint64_t high = 0;
};

constexpr std::uint64_t opcode_bits = bits(0, 10);

Used used_by(CommandType type) {
  switch (type) {
    case CommandType::iotinval_vma:
      return {opcode_bits | bits(10, 1) | bits(12, 22) | bits(44, 16), bits(10, 52)};
    case CommandType::iotinval_gvma:  // PSCV is reserved; PSCID is ignored then
      return {opcode_bits | bits(10, 1) | bits(12, 20) | bits(33, 1) | bits(44, 16), bits(10, 52)};
    case CommandType::iofence_c:
      return {opcode_bits | bits(10, 1) | bits(12, 2) | bits(32, 32), bits(0, 62)};
    case CommandType::iodir_inval_ddt:
      return {opcode_bits | bits(33, 1) | bits(40, 24), 0};
    case CommandType::iodir_inval_pdt:
      return {opcode_bits | bits(12, 20) | bits(33, 1) | bits(40, 24), 0};
    case CommandType::ats_inval:
    case CommandType::ats_prgr:
      return {opcode_bits | bits(12, 22) | bits(40, 24), ~std::uint64_t{0}};
  }
  return {};
}

constexpr CommandType type_of(std::uint64_t low) {
  return static_cast<CommandType>(field_of(low, 0, 4) | field_of(low, 7, 1) << 4U);
}

bool known(std::uint64_t low) {
  const std::uint64_t opcode = field_of(low, 0, 7);
  const std::uint64_t function = field_of(low, 7, 3);
  return opcode >= 1 && opcode <= 4 && function <= (opcode == 2 ? 0U : 1U);
}

constexpr bool invalidates_translations(CommandType type) {
  return type == CommandType::iotinval_vma || type == CommandType::iotinval_gvma;
}

}  // namespace

bool Command::decodable(std::uint64_t low, std::uint64_t high) {
  if (!known(low)) return false;
  const CommandType type = type_of(low);
  const Used used = used_by(type);
  if ((low & ~used.low) != 0 || (high & ~used.high) != 0) return false;
  return type != CommandType::iodir_inval_pdt || bit_of(low, 33);
}

Command Command::decode(std::uint64_t low, std::uint64_t high) {
  ensure(decodable(low, high), "a command that does not decode was decoded");
  Command c;
  c.type = type_of(low);
  switch (c.type) {
    case CommandType::iotinval_vma:
    case CommandType::iotinval_gvma:
      c.address_valid = bit_of(low, 10);
      c.pscid = static_cast<std::uint32_t>(field_of(low, 12, 20));
      c.pscid_valid = bit_of(low, 32);
      c.guest_valid = bit_of(low, 33);
      c.gscid = static_cast<std::uint16_t>(field_of(low, 44, 16));
      c.address = field_of(high, 10, 52) << 12U;
      break;
    case CommandType::iofence_c:
      c.address_valid = bit_of(low, 10);
      c.drain_reads = bit_of(low, 12);
      c.drain_writes = bit_of(low, 13);
      c.data = static_cast<std::uint32_t>(field_of(low, 32, 32));
      c.address = field_of(high, 0, 62) << 2U;
      break;
    case CommandType::iodir_inval_ddt:
    case CommandType::iodir_inval_pdt:
      c.process = static_cast<std::uint32_t>(field_of(low, 12, 20));
      c.device_valid = bit_of(low, 33);
      c.device = static_cast<std::uint32_t>(field_of(low, 40, 24));
      break;
    case CommandType::ats_inval:
    case CommandType::ats_prgr:
      c.process = static_cast<std::uint32_t>(field_of(low, 12, 20));
      c.process_valid = bit_of(low, 32);
      c.segment_valid = bit_of(low, 33);
      c.device = static_cast<std::uint32_t>(field_of(low, 40, 16));
      c.segment = static_cast<std::uint8_t>(field_of(low, 56, 8));
      c.payload = high;
      break;
  }
  return c;
}

std::array<std::uint64_t, 2> Command::encode() const {
  const auto number = static_cast<std::uint64_t>(type);
  const std::uint64_t opcode = (number & 15U) | put(number >> 4U, 7);
  switch (type) {
    case CommandType::iotinval_vma:
    case CommandType::iotinval_gvma:
      return {opcode | put(address_valid, 10) | put(std::uint64_t{pscid}, 12) |
                  put(pscid_valid, 32) | put(guest_valid, 33) | put(std::uint64_t{gscid}, 44),
              put(address >> 12U, 10)};
    case CommandType::iofence_c:
      return {opcode | put(address_valid, 10) | put(drain_reads, 12) | put(drain_writes, 13) |
                  put(std::uint64_t{data}, 32),
              address >> 2U};
    case CommandType::iodir_inval_ddt:
    case CommandType::iodir_inval_pdt:
      return {opcode | put(std::uint64_t{process}, 12) | put(device_valid, 33) |
                  put(std::uint64_t{device}, 40),
              0};
    case CommandType::ats_inval:
    case CommandType::ats_prgr:
      return {opcode | put(std::uint64_t{process}, 12) | put(process_valid, 32) |
                  put(segment_valid, 33) | put(std::uint64_t{device}, 40) |
                  put(std::uint64_t{segment}, 56),
              payload};
  }
  return {};
}

namespace {

Invalidation order(Invalidation::What what, Invalidation::Scope scope) {
  Invalidation order;
  order.what = what;
  order.scope = scope;
  return order;
}

// Table "IOTINVAL.VMA operands and operations"; IOTINVAL.GVMA's. The latter without a guest is about
// all guests: everything is forgotten, which is more than it asks for, and allowed.
Invalidation of_translations(const Command& c) {
  using Scope = Invalidation::Scope;
  Invalidation order = riscv::order(Invalidation::What::translations, Scope::domain);
  order.domain = c.guest_valid ? guest_domain(c.gscid) : host_domain;
  order.pasid = Pasid(c.pscid);
  order.address = Iova(c.address);
  if (c.type == CommandType::iotinval_gvma) {
    if (!c.guest_valid) {
      order.scope = Scope::all;
    } else if (c.address_valid) {
      order.scope = Scope::domain_range;
      order.absent_too = true;
    }
  } else if (c.address_valid) {
    order.scope = c.pscid_valid ? Scope::space_range : Scope::spaces_range;
    order.leaf_only = true;
    order.whole_leaves = true;
    order.absent_too = true;
  } else if (c.pscid_valid) {
    order.scope = Scope::space;
  }
  return order;
}

// Devices of more than 16 bits there are none.
constexpr std::uint32_t most_devices = 1U << 16U;

}  // namespace

std::vector<Invalidation> Command::invalidations() const {
  using Scope = Invalidation::Scope;
  using What = Invalidation::What;
  if (invalidates_translations(type)) return {of_translations(*this)};
  if (type == CommandType::iodir_inval_ddt && !device_valid)
    return {order(What::devices, Scope::all), order(What::processes, Scope::all)};
  if (device >= most_devices) return {};
  const Bdf source(static_cast<std::uint16_t>(device));
  if (type == CommandType::iodir_inval_ddt) {
    Invalidation of_device = order(What::devices, Scope::source);
    of_device.source = source;
    Invalidation of_processes = order(What::processes, Scope::source);
    of_processes.source = source;
    return {of_device, of_processes};
  }
  if (type != CommandType::iodir_inval_pdt) return {};
  Invalidation of_process = order(What::processes, Scope::process);
  of_process.source = source;
  of_process.pasid = Pasid(process);
  return {of_process};
}

Command Command::for_translations(const Invalidation& order) {
  using Scope = Invalidation::Scope;
  ensure(order.what == Invalidation::What::translations && order.scope != Scope::source &&
             order.scope != Scope::process && order.scope != Scope::all && order.address_mask == 0,
         "an order that no IOTINVAL command gives");
  Command c;
  const bool second = order.scope == Scope::domain_range;
  c.type = second ? CommandType::iotinval_gvma : CommandType::iotinval_vma;
  c.guest_valid = order.domain != host_domain;
  c.gscid = static_cast<std::uint16_t>(order.domain.value());
  c.pscid_valid = order.scope == Scope::space || order.scope == Scope::space_range;
  if (c.pscid_valid) c.pscid = order.pasid.value();
  c.address_valid = order.scope != Scope::space && order.scope != Scope::domain;
  if (c.address_valid) c.address = order.address.page_base(page_4k).value();
  return c;
}

}  // namespace viosim::riscv
