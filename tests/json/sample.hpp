// A small document type with a field of every kind, for the tests of sim/json.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "core/base/fields.hpp"
#include "core/base/units.hpp"
#include "sim/json/value.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace viosim::sample {

enum class Replacement { lru, fifo, random };
constexpr auto choices(Replacement) {
  return std::array{Choice{Replacement::lru, "lru", "Longest unused."},
                    Choice{Replacement::fifo, "fifo", "Longest here."},
                    Choice{Replacement::random, "random", "Any one."}};
}

struct Cache {
  std::uint16_t sets = 64;
  std::uint8_t ways = 8;
  Ps hit_latency = 12ns;
  Replacement replacement = Replacement::lru;

  static constexpr auto fields() {
    return Fields{
        field("sets", &Cache::sets, "Number of sets.").power_of_two().to(4096),
        field("ways", &Cache::ways, "Entries per set."),
        field("hit_latency", &Cache::hit_latency, "Request to answer, on a hit.", "assumed"),
        field("replacement", &Cache::replacement, "Which entry makes room.")};
  }
  void check(const Where& where) const {
    if (ways > sets)
      (where / "ways").reject("read " + std::to_string(ways) + "; expected at most the sets");
  }
  bool operator==(const Cache&) const = default;
};

struct Sequential {
  static constexpr Alternative alternative{"sequential", "One page after the other."};
  Bytes stride = 4_KiB;
  static constexpr auto fields() {
    return Fields{field("stride", &Sequential::stride, "From one request to the next.")};
  }
  bool operator==(const Sequential&) const = default;
};

struct Zipf {
  static constexpr Alternative alternative{"zipf", "A few pages take most requests."};
  double exponent = 0.99;
  static constexpr auto fields() {
    return Fields{field("exponent", &Zipf::exponent, "How unequal the pages are.").from(0)};
  }
  bool operator==(const Zipf&) const = default;
};

struct Still {
  static constexpr Alternative alternative{"still", "No requests at all."};
  static constexpr auto fields() { return Fields{}; }
  bool operator==(const Still&) const = default;
};

using Pattern = OneOf<"pattern", Sequential, Zipf, Still>;

// The keys of the pattern stand beside the rate: {"rate": "5 M/s", "pattern": "zipf"}.
struct Dma {
  Rate rate{200ns};
  std::optional<Bytes> window;
  Pattern pattern;
  static constexpr auto fields() {
    return Fields{field("rate", &Dma::rate, "Requests per second."),
                  field("window", &Dma::window, "Where requests fall; none: everywhere.")
                      .from(page_4k)
                      .to(1024_GiB)
                      .multiple_of(page_4k),
                  embedded(&Dma::pattern)};
  }
  bool operator==(const Dma&) const = default;
};

struct Device {
  std::string name;
  Bdf bdf;
  Iova base{0x1000};
  std::optional<Cache> ats;
  Dma dma;
  static constexpr auto fields() {
    return Fields{required("name", &Device::name, "Unique among its siblings."),
                  field("bdf", &Device::bdf, "Requester id."),
                  field("base", &Device::base, "First address of its window."),
                  field("ats", &Device::ats, "Device TLB; none: no ATS."),
                  field("dma", &Device::dma, "What it reads and writes.")};
  }
  bool operator==(const Device&) const = default;
};

struct Scenario {
  std::uint64_t seed = 1;
  std::int64_t offset = -5;
  bool trace = true;
  double scale = 1;
  Pasid pasid{7};
  Cache iotlb{.sets = 128};
  Pattern background = Zipf{.exponent = 2};
  std::vector<Device> devices = {};
  std::vector<std::string> tags = {"small"};
  std::vector<std::vector<std::int8_t>> matrix = {};
  std::optional<std::int32_t> limit = 10;
  Value note = {};
  static constexpr auto fields() {
    return Fields{field("seed", &Scenario::seed, "Of every random stream."),
                  field("offset", &Scenario::offset, "A signed number."),
                  field("trace", &Scenario::trace, "Whether to record events."),
                  field("scale", &Scenario::scale, "A real number."),
                  field("pasid", &Scenario::pasid, "A strong integer."),
                  field("iotlb", &Scenario::iotlb, "A struct with its own default."),
                  field("background", &Scenario::background, "A union of its own."),
                  field("devices", &Scenario::devices, "A list of structs."),
                  field("tags", &Scenario::tags, "A list of texts."),
                  field("matrix", &Scenario::matrix, "A list of lists."),
                  field("limit", &Scenario::limit, "Optional, with a default."),
                  field("note", &Scenario::note, "Whatever JSON.")};
  }
  bool operator==(const Scenario&) const = default;
};

}  // namespace viosim::sample
