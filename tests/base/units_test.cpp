// Quantities are read exactly or not at all, and written so that they read back.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/units.hpp"

#include "core/base/address.hpp"
#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace viosim;

TEST_CASE("times are read exactly", "[base][units]") {
  CHECK(parse_time("250 ns") == Ps(250'000));
  CHECK(parse_time("1.5us") == Ps(1'500'000));
  CHECK(parse_time("0.001 ns") == Ps(1));
  CHECK(parse_time("9007.199254740992 s") == Instant::latest().since_start());
}

TEST_CASE("zeros say nothing, however many they are", "[base][units]") {
  const std::string zeros(30, '0');
  CHECK(parse_time("80." + zeros + " ns") == 80ns);
  CHECK(parse_time(zeros + "80 ns") == 80ns);
  CHECK(parse_time("0." + zeros + " s") == Ps(0));
  CHECK(parse_time("10.10" + zeros + " ns") == Ps(10'100));
  CHECK(parse_bytes("0.00000095367431640625 MiB") == Bytes(1));
  CHECK_FALSE(parse_time("80.0000000000000001 ns").has_value());
  CHECK_FALSE(parse_time("0." + zeros + "1 s").has_value());
}

TEST_CASE("a time without unit, with an unknown one, negative, inexact or malformed is refused",
          "[base][units]") {
  for (const char* text :
       {"", "250", "ns", "-5 ns", "+5 ns", "5 nS", "5 h", "0.5 ps", "1e3 ns", "1. ns", ".5 ns",
        "5  n s", "5 ns ", "99999999999999999999 s", "9300000 s"}) {
    INFO(text);
    CHECK_FALSE(parse_time(text).has_value());
  }
}

TEST_CASE("sizes know binary and decimal units, rates whole periods", "[base][units]") {
  CHECK(parse_bytes("4 KiB") == 4_KiB);
  CHECK(parse_bytes("1.5 MiB") == Bytes(1'572'864));
  CHECK(parse_bytes("3 KB") == Bytes(3'000));
  CHECK_FALSE(parse_bytes("4 kib").has_value());
  CHECK_FALSE(parse_bytes("0.3 B").has_value());
  CHECK(parse_rate("5 M/s") == Rate(200ns));
  CHECK_FALSE(parse_rate("3 /s").has_value());
  CHECK_FALSE(parse_rate("0 /s").has_value());
  CHECK(parse_bandwidth("100 Gbit/s") == Bandwidth(12'500'000'000));
  CHECK(parse_bandwidth("12.5 GB/s") == Bandwidth(12'500'000'000));
  CHECK(parse_bandwidth("100 Gb/s") == Bandwidth(12'500'000'000));
  CHECK(parse_bandwidth("8 Mb/s") == Bandwidth(1'000'000));
  CHECK(to_text(Bandwidth(12'500'000'000)) == "100 Gbit/s");
  CHECK(parse_bandwidth("0 B/s") == Bandwidth(0));
  CHECK_FALSE(parse_bandwidth("0.5 B/s").has_value());
  CHECK_FALSE(parse_bandwidth("1 GB").has_value());
}

TEST_CASE("what is written reads back as the same value", "[base][units]") {
  Rng rng(1, "units");
  for (int i = 0; i < 10'000; ++i) {
    const Ps time(static_cast<std::int64_t>(rng.next() >> (1 + rng.below(62))));
    REQUIRE(parse_time(to_text(time)) == time);
    const Bytes size(rng.next() >> (1 + rng.below(62)));
    REQUIRE(parse_bytes(to_text(size)) == size);
  }
}

TEST_CASE("times are shown with the unit that fits, rounded, without trailing zeros",
          "[base][units]") {
  CHECK(format_time(Ps(0)) == "0 ps");
  CHECK(format_time(Ps(999)) == "999 ps");
  CHECK(format_time(Ps(287'000)) == "287 ns");
  CHECK(format_time(Ps(1'234'567)) == "1.235 us");
  CHECK(format_time(Ps(1'500'000'000)) == "1.5 ms");
  CHECK(format_time(Ps(-1'500)) == "-1.5 ns");
  CHECK(format_time(Instant::latest().since_start(), 12) == "9007.199254740992 s");
}

TEST_CASE("a requester id is written as PCI tools write it", "[base]") {
  CHECK(Bdf(0x100).text() == "01:00.0");
  CHECK(Bdf(0xff, 31, 7).text() == "ff:1f.7");
}

TEST_CASE("a stream of random numbers depends on seed and path only, and is the same everywhere",
          "[base][rng]") {
  Rng a(1, "host0.dev[0]");
  Rng same(1, "host0.dev[0]");
  Rng other_path(1, "host0.dev[1]");
  Rng other_seed(2, "host0.dev[0]");
  const std::uint64_t first = a.next();
  CHECK(first == same.next());
  CHECK(first != other_path.next());
  CHECK(first != other_seed.next());
  CHECK(first == 0x4702f5f0b59d8924U);
  std::uint64_t seen = 0;
  for (int i = 0; i < 1'000; ++i) {
    const std::uint64_t drawn = a.below(7);
    REQUIRE(drawn < 7);
    seen |= std::uint64_t{1} << drawn;
  }
  CHECK(seen == 0x7f);
}
