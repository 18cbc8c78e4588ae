// The data of a translation completion, bit for bit.
// SPDX-License-Identifier: Apache-2.0
#include "models/pcie/ats.hpp"

#include <bit>

namespace viosim {
namespace {

constexpr std::uint64_t size_bit = 1U << 11U;
constexpr std::uint64_t address_bits = ~std::uint64_t{0xfff};

}  // namespace

std::uint64_t TranslationCompletion::encode() const {
  std::uint64_t bits = page.value() & address_bits;
  // 2^n pages: ones from bit 12 up to below the bit that says so, which is clear in an aligned address.
  if (size > page_4k) bits |= size_bit | ((size.count() / 2 - 1) & address_bits);
  bits |= (read ? 1U : 0U) | (write ? 2U : 0U) | (untranslated_only ? 4U : 0U);
  return bits | (execute ? 8U : 0U) | (privileged ? 16U : 0U);
}

TranslationCompletion TranslationCompletion::decode(std::uint64_t bits) {
  TranslationCompletion completion;
  if ((bits & size_bit) != 0) {
    const auto ones = static_cast<unsigned>(std::countr_one(bits >> 12U));
    completion.size = Bytes(page_4k.count() << (ones + 1U));
  }
  completion.page = Hpa(bits & ~(completion.size.count() - 1));
  completion.read = (bits & 1U) != 0;
  completion.write = (bits & 2U) != 0;
  completion.untranslated_only = (bits & 4U) != 0;
  completion.execute = (bits & 8U) != 0;
  completion.privileged = (bits & 16U) != 0;
  return completion;
}

}  // namespace viosim
