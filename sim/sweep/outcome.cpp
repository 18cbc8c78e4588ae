// Outcomes on their way through pipes and journals.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/outcome.hpp"

#include <bit>

namespace viosim {
namespace {

void put(ByteWriter& writer, const std::string& text) {
  writer.varint(text.size());
  writer.append(std::as_bytes(std::span(text)));
}
void put(ByteWriter& writer, double number) {
  const auto bits = std::bit_cast<std::uint64_t>(number);
  writer.append(std::as_bytes(std::span(&bits, 1)));
}
void put(ByteWriter& writer, const Histogram& histogram) {
  std::uint64_t buckets = 0;
  histogram.for_each_bucket([&](std::size_t, const Histogram::Bucket&) { ++buckets; });
  writer.varint(buckets);
  writer.varint(static_cast<std::uint64_t>(histogram.min().count()));
  writer.varint(static_cast<std::uint64_t>(histogram.max().count()));
  histogram.for_each_bucket([&](std::size_t number, const Histogram::Bucket& bucket) {
    writer.varint(number);
    writer.varint(bucket.count);
    writer.wide_varint(bucket.sum);
  });
}

std::string get_text(ByteReader& reader) {
  const auto bytes = reader.take(reader.varint());
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
double get_number(ByteReader& reader) {
  std::uint64_t bits = 0;
  const auto bytes = reader.take(sizeof bits);
  std::copy(bytes.begin(), bytes.end(), std::as_writable_bytes(std::span(&bits, 1)).begin());
  return std::bit_cast<double>(bits);
}
Histogram get_histogram(ByteReader& reader) {
  Histogram histogram;
  const std::uint64_t buckets = reader.varint();
  const Ps min(static_cast<std::int64_t>(reader.varint()));
  const Ps max(static_cast<std::int64_t>(reader.varint()));
  for (std::uint64_t i = 0; i < buckets; ++i) {
    const std::uint64_t number = reader.varint();
    if (number >= Histogram::octaves * Histogram::sub_buckets)
      throw BadBytes("a histogram has no such bucket");
    const std::uint64_t count = reader.varint();
    histogram.restore(number, {count, reader.wide_varint()}, min, max);
  }
  return histogram;
}

}  // namespace

void encode(const RunOutcome& outcome, ByteWriter& writer) {
  writer.varint(outcome.failed ? 1 + static_cast<std::uint64_t>(outcome.failed->kind) : 0);
  if (outcome.failed) put(writer, outcome.failed->reason);
  writer.varint(outcome.as_expected ? 1 : 0);
  writer.varint(outcome.figures.size());
  for (const KeptFigure& figure : outcome.figures) {
    put(writer, figure.component);
    put(writer, figure.name);
    put(writer, figure.unit);
    put(writer, figure.value);
  }
  writer.varint(outcome.histograms.size());
  for (const KeptHistogram& kept : outcome.histograms) {
    put(writer, kept.component);
    put(writer, kept.operation);
    put(writer, kept.histogram);
  }
  writer.varint(outcome.watched.size());
  for (const double value : outcome.watched) put(writer, value);
}

RunOutcome decode_outcome(ByteReader& reader) {
  RunOutcome outcome;
  if (const std::uint64_t kind = reader.varint(); kind != 0) {
    if (kind > choices(FailureKind{}).size()) throw BadBytes("there is no such failure");
    outcome.failed = {static_cast<FailureKind>(kind - 1), get_text(reader)};
  }
  outcome.as_expected = reader.varint() == 1;
  for (std::uint64_t left = reader.varint(); left != 0; --left) {
    KeptFigure& figure = outcome.figures.emplace_back();
    figure.component = get_text(reader);
    figure.name = get_text(reader);
    figure.unit = get_text(reader);
    figure.value = get_number(reader);
  }
  for (std::uint64_t left = reader.varint(); left != 0; --left) {
    KeptHistogram& kept = outcome.histograms.emplace_back();
    kept.component = get_text(reader);
    kept.operation = get_text(reader);
    kept.histogram = get_histogram(reader);
  }
  for (std::uint64_t left = reader.varint(); left != 0; --left)
    outcome.watched.push_back(get_number(reader));
  return outcome;
}

void encode(const FinishedRun& run, ByteWriter& writer) {
  writer.varint(run.run);
  encode(run.outcome, writer);
  put(writer, run.cost.seconds);
  writer.varint(run.cost.memory);
}

FinishedRun decode_finished_run(ByteReader& reader) {
  FinishedRun run;
  run.run = reader.varint();
  run.outcome = decode_outcome(reader);
  run.cost.seconds = get_number(reader);
  run.cost.memory = reader.varint();
  return run;
}

}  // namespace viosim
