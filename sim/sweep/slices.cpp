// Slices and parts as files.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/slices.hpp"

#include "sim/json/json.hpp"
#include "sim/record/whole_file.hpp"
#include "sim/sweep/run_set.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <system_error>

namespace viosim {
namespace {

constexpr const char* slice_ending = ".slice";
constexpr const char* part_ending = ".part";
constexpr const char* lock_name = "lock";
constexpr std::string_view part_magic = "vsp1";

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::uint64_t digest_of(std::span<const std::byte> bytes) {
  return XXH64(bytes.data(), bytes.size(), 0);
}

std::string text_of(const SweepIdentity& identity) {
  Value::Object object;
  for (const auto& [key, value] : identity) add(object, key, value);
  return to_text(Value(std::move(object)), Layout::indented) + '\n';
}

SweepIdentity identity_from(const std::filesystem::path& path) {
  const Value value = parse_json(read_whole_file(path), path.string());
  SweepIdentity identity;
  if (const Value::Object* const object = value.if_object()) {
    for (const auto& [key, member] : *object) {
      if (member.if_text() != nullptr) identity[key] = *member.if_text();
    }
  }
  return identity;
}

// The slice that a file's name begins with.
std::uint64_t slice_in(const std::string& name) {
  std::uint64_t slice = 0;
  std::from_chars(name.data(), name.data() + name.size(), slice);
  return slice;
}

std::string slice_name(std::uint64_t slice) { return fmt::format("{:06}", slice); }

std::vector<std::byte> bytes_of(const std::vector<FinishedRun>& runs) {
  ByteWriter payload;
  payload.varint(runs.size());
  for (const FinishedRun& run : runs) encode(run, payload);
  const std::uint64_t digest = digest_of(payload.bytes());
  ByteWriter file;
  file.append(std::as_bytes(std::span(part_magic)));
  file.append(std::as_bytes(std::span(&digest, 1)));
  file.append(payload.bytes());
  return {file.bytes().begin(), file.bytes().end()};
}

std::vector<FinishedRun> runs_from(const std::string& text) {
  const auto bytes = bytes_of(text);
  const std::size_t head = part_magic.size() + sizeof(std::uint64_t);
  if (bytes.size() < head || !text.starts_with(part_magic)) throw BadBytes("it is no part");
  std::uint64_t digest = 0;
  std::copy_n(bytes.begin() + part_magic.size(), sizeof digest,
              std::as_writable_bytes(std::span(&digest, 1)).begin());
  if (digest != digest_of(bytes.subspan(head))) throw BadBytes("its bytes are not those written");
  ByteReader reader(bytes.subspan(head));
  std::vector<FinishedRun> runs;
  for (std::uint64_t left = reader.varint(); left != 0; --left)
    runs.push_back(decode_finished_run(reader));
  return runs;
}

}  // namespace

void Slices::open(const SweepIdentity& identity, bool resume) {
  const std::filesystem::path file = directory_ / "sweep";
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error)
    throw ConfigError(
        {directory_.string(), "", fmt::format("cannot make this directory: {}", error.message())});
  directory_ = std::filesystem::canonical(directory_);
  if (!ours_) ours_ = FileLock::try_take(directory_ / lock_name);
  if (!ours_) {
    throw ConfigError({(directory_ / lock_name).string(), "",
                       "another sweep works with this directory; expected a --shared directory (or "
                       "--out) of this one's own, or that the other has ended: where its machine "
                       "died and the lock did not, this file's removal"});
  }
  // Parts without a sweep, and a sweep without slices, are left of one that has come to nothing.
  if (!std::filesystem::exists(file) || (!resume && !any())) remove_files();
  if (std::filesystem::exists(file)) {
    check(identity);
    if (const std::size_t slices = names(slice_ending).size(); slices != 0 && !resume) {
      throw ConfigError(
          {directory_.string(), "",
           fmt::format("holds {} slices of a sweep that was interrupted; expected --resume to go "
                       "on with it, or its removal",
                       slices)});
    }
  } else {
    write_whole_file(file, bytes_of(text_of(identity)));
  }
  const std::string whole = text_of(identity) + directory_.string();
  key_ = fmt::format("viosim-{:016x}", digest_of(bytes_of(whole)));
}

void Slices::check(const SweepIdentity& identity) const {
  const std::filesystem::path file = directory_ / "sweep";
  std::error_code none;
  if (!std::filesystem::exists(file, none)) {
    const bool there = std::filesystem::is_directory(directory_, none);
    throw ConfigError(
        {directory_.string(), "",
         fmt::format("{}; expected the directory {} that `viosim sweep --engine "
                     "slurm` has made",
                     there ? "holds no slices of a sweep" : "there is no such directory",
                     directory_name)});
  }
  check_same_sweep(file, identity_from(file), identity);
}

std::filesystem::path Slices::path_of(std::uint64_t slice) const {
  return directory_ / (slice_name(slice) + slice_ending);
}

void Slices::write_slice(std::uint64_t slice, const std::vector<std::uint64_t>& runs) const {
  write_whole_file(path_of(slice), bytes_of(run_set_text(runs) + '\n'));
}

std::vector<std::uint64_t> Slices::runs_of(std::uint64_t slice, std::uint64_t most_runs) const {
  std::string text = read_whole_file(path_of(slice));
  if (text.ends_with('\n')) text.pop_back();
  auto runs = parse_run_set(text);
  if (!runs || runs->back() >= most_runs) {
    throw ConfigError(
        {path_of(slice).string(), "",
         fmt::format("read {}; expected numbers of runs such as 0-499,507, each less than {}",
                     quote_short(text), most_runs)});
  }
  return *std::move(runs);
}

std::vector<std::string> Slices::names(const char* ending) const {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    std::string name = entry.path().filename().string();
    if (name.ends_with(ending)) found.push_back(std::move(name));
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool Slices::any() const {
  std::error_code none;
  return std::filesystem::is_directory(directory_, none) && !names(slice_ending).empty();
}

std::uint64_t Slices::next_slice() const {
  std::uint64_t next = 0;
  for (const std::string& name : names(slice_ending)) next = std::max(next, slice_in(name) + 1);
  return next;
}

Slices::Part Slices::read_part(const std::string& name) const {
  const std::filesystem::path path = directory_ / name;
  try {
    return {slice_in(name), runs_from(read_whole_file(path))};
  } catch (const BadBytes& error) {
    throw ConfigError({path.string(), "", fmt::format("is damaged: {}", error.what())});
  }
}

std::vector<Slices::Part> Slices::new_parts(
    const std::function<void(const std::string&)>& complain) {
  std::vector<Part> parts;
  for (const std::string& name : names(part_ending)) {
    if (!seen_.insert(name).second) continue;
    try {
      parts.push_back(read_part(name));
    } catch (const ConfigError& error) {
      complain(error.problems().front().text());
    }
  }
  return parts;
}

std::set<std::uint64_t> Slices::finished_of(std::uint64_t slice) const {
  std::set<std::uint64_t> finished;
  for (const std::string& name : names(part_ending)) {
    if (!name.starts_with(slice_name(slice) + '-')) continue;
    for (const FinishedRun& run : read_part(name).runs) finished.insert(run.run);
  }
  return finished;
}

void Slices::write_part(const PartName& name, const std::vector<FinishedRun>& runs) const {
  const std::string file =
      fmt::format("{}-{}-{}{}", slice_name(name.slice), name.task, name.sequence, part_ending);
  write_whole_file(directory_ / file, bytes_of(runs));
}

void Slices::remove() const {
  std::error_code error;
  std::filesystem::remove_all(directory_, error);
  // A task that is about to end may have written once more.
  if (error) std::filesystem::remove_all(directory_, error);
}

void Slices::remove_files() const {
  for (const char* ending : {slice_ending, part_ending}) {
    for (const std::string& name : names(ending)) std::filesystem::remove(directory_ / name);
  }
  std::filesystem::remove(directory_ / "sweep");
}

void Slices::forget() const {
  remove_files();
  std::filesystem::remove(directory_ / lock_name);
  std::error_code has_logs;
  std::filesystem::remove(directory_, has_logs);
}

}  // namespace viosim
