// From the first line's metadata to the finished stream.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/recording.hpp"

#include "core/base/error.hpp"
#include "core/base/time.hpp"
#include "models/iommu/cache.hpp"
#include "sim/recording/dialect.hpp"
#include "sim/recording/line_reader.hpp"
#include "sim/recording/problem.hpp"
#include "sim/recording/record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>

namespace viosim {
namespace {

using namespace recording;

constexpr std::string_view known_format = "viommu-trace/1";
constexpr std::string_view vtd_name = "intel-vtd";
constexpr std::string_view smmu_name = "arm-smmuv3";
constexpr std::string_view virtio_name = "virtio-iommu";
constexpr std::string_view only_policy = "drop all when full";
constexpr std::int64_t ps_per_ns = 1000;
constexpr auto latest_ns = static_cast<std::uint64_t>(Instant::latest().ps() / ps_per_ns);

// Reads one recording from its first line to its last.
class Reader {
 public:
  Reader(std::unique_ptr<ByteSource> text, const RecordingOptions& options)
      : options_(options),
        lines_(std::move(text), options.max_line_bytes, options.max_text_bytes),
        builder_(stream_, options.max_mapped_entries) {}

  RecordedStream read() {
    if (!next()) throw RecordingProblem("the file is empty, expected a `meta` object");
    read_meta();
    const std::unique_ptr<Dialect> dialect = make_dialect();
    while (next()) {
      read_record(*dialect);
      if (options_.on_record) options_.on_record(line_ - 1, records_);
    }
    const std::uint64_t found = line_ - 2;
    if (found != records_) {
      throw RecordingProblem(
          fmt::format("the file ends after {} records, expected {} as `records` of line 1 says",
                      found, records_));
    }
    builder_.finish();
    return std::move(stream_);
  }

  std::uint32_t line() const { return line_; }
  // Whether it is a recording at all.
  bool known() const { return known_; }

 private:
  bool next() {
    ++line_;
    const std::optional<std::string_view> text = lines_.next();
    if (text) record_.scan(*text);
    return text.has_value();
  }

  void read_meta();
  void read_iotlb(bool required);
  void read_record(Dialect& dialect);
  std::unique_ptr<Dialect> make_dialect();
  std::string read_iommu() const;
  std::string read_name() const;

  const RecordingOptions& options_;
  LineReader lines_;
  std::uint32_t line_ = 0;
  Record record_;
  RecordedStream stream_;
  StreamBuilder builder_;
  bool known_ = false;
  std::uint64_t records_ = 0;
  std::uint64_t last_ns_ = 0;
};

void Reader::read_meta() {
  if (record_.raw(Key::k) != "meta") record_.reject(Key::k, "\"meta\" on the first line");
  known_ = true;
  if (record_.string(Key::format) != known_format)
    record_.reject(Key::format, fmt::format("\"{}\"", known_format));
  stream_.name = read_name();
  stream_.iommu = read_iommu();
  records_ = record_.integer(Key::records, 0, options_.max_records);
  constexpr std::uint64_t believed = std::uint64_t{1} << 20U;  // what a wrong number may cost
  stream_.ops.reserve(std::min(records_, believed));
  stream_.strict = record_.flag(Key::strict);
  const bool vtd = stream_.iommu == vtd_name;
  if (vtd || record_.has(Key::caching_mode))
    stream_.caching_mode = record_.boolean(Key::caching_mode);
  if (vtd || record_.has(Key::scalable_mode))
    stream_.scalable_mode = record_.boolean(Key::scalable_mode);
  if (!record_.is_null(Key::iotlb) || vtd) read_iotlb(vtd);
}

// It is printed as it is, hence no control characters.
std::string Reader::read_name() const {
  constexpr std::size_t longest = 64;
  const std::string_view name = record_.string(Key::name);
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  if (name.empty() || name.size() > longest || !std::all_of(name.begin(), name.end(), printable))
    record_.reject(Key::name, "1 to 64 printable characters of ASCII");
  return std::string(name);
}

std::string Reader::read_iommu() const {
  const std::vector<std::string_view> known = {vtd_name, virtio_name, smmu_name};
  const std::string_view read = record_.string(Key::iommu);
  for (const std::string_view name : known) {
    if (name == read) return std::string(name);
  }
  std::string expected = fmt::format("{}, {} or {}", vtd_name, virtio_name, smmu_name);
  const std::string_view nearest = nearest_name(read, known);
  if (!nearest.empty()) expected += fmt::format(" (did you mean \"{}\"?)", nearest);
  record_.reject(Key::iommu, expected);
}

void Reader::read_iotlb(bool required) {
  if (!required && !record_.has(Key::iotlb)) return;
  Record iotlb;
  iotlb.scan(record_.object(Key::iotlb));
  stream_.iotlb_capacity =
      static_cast<std::uint32_t>(iotlb.integer(Key::capacity, 1, CacheParams::most_entries));
  // What the recorder's model did follows from it; another one would have to be replayed differently.
  if (iotlb.has(Key::policy) && iotlb.string(Key::policy) != only_policy)
    iotlb.reject(Key::policy, fmt::format("\"{}\"", only_policy));
  if (iotlb.has(Key::address_width))
    stream_.address_width = static_cast<unsigned>(iotlb.integer(Key::address_width, 30, 64));
}

std::unique_ptr<Dialect> Reader::make_dialect() {
  if (stream_.iommu == vtd_name) return make_vtd(stream_, builder_, options_.write_implies_read);
  if (stream_.iommu == smmu_name) return make_smmu(stream_, builder_);
  return make_virtio(builder_);
}

void Reader::read_record(Dialect& dialect) {
  if (line_ - 1 > records_) {
    throw RecordingProblem(
        fmt::format("read one more record, expected {} as `records` of line 1 says", records_));
  }
  const std::uint64_t ns = record_.integer(Key::t, 0, latest_ns);
  if (ns < last_ns_)
    record_.reject(Key::t, fmt::format("at least {} as in the record before", last_ns_));
  last_ns_ = ns;
  const std::string_view kind = record_.string(Key::k);
  if (kind == "meta") record_.reject(Key::k, "a record; `meta` is for the first line");
  builder_.at(static_cast<std::int64_t>(ns) * ps_per_ns, line_);
  dialect.apply(kind, record_);
}

RecordedStream read_text(const std::string& name,
                         const std::function<std::unique_ptr<ByteSource>()>& open,
                         const RecordingOptions& options) {
  std::uint32_t line = 0;
  bool known = false;
  try {
    Reader reader(open_text(open(), name.ends_with(".zst")), options);
    try {
      return reader.read();
    } catch (const RecordingProblem&) {
      line = reader.line();
      known = reader.known();
      throw;
    }
  } catch (const RecordingProblem& problem) {
    // Often it is a file of another kind.
    const std::string hint =
        line == 1 && !known
            ? "; a recording begins with a line such as {\"k\": \"meta\", \"format\": ...}"
            : "";
    const std::string place = line == 0 ? std::string() : fmt::format("line {}", line);
    throw ConfigError(Problem{name, place, problem.what() + hint});
  }
}

}  // namespace

RecordedStream read_recording(const std::string& path, const RecordingOptions& options) {
  return read_text(
      path, [&] { return open_file(path); }, options);
}

RecordedStream parse_recording(const std::string& name, std::string_view bytes,
                               const RecordingOptions& options) {
  return read_text(
      name, [&] { return open_memory(bytes); }, options);
}

}  // namespace viosim
