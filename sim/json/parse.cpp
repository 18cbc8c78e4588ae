// Feeds the events of nlohmann's parser to a builder, and keeps both within limits.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/parse.hpp"

#include "core/base/error.hpp"
#include "sim/json/open_file.hpp"
#include "sim/json/syntax.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <unordered_map>

namespace viosim {
namespace {

// Reports how far the parser has read, so that a callback knows where in the text it is.
class TrackedByte {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackedByte(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  TrackedByte& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  TrackedByte operator++(int) {
    const TrackedByte old = *this;
    ++*this;
    return old;
  }
  bool operator==(const TrackedByte& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

// Receives the parser's events and grows the document. Each callback answers "go on?".
class Builder {
 public:
  Builder(std::string_view text, const std::string& file)
      : text_(text), file_(file), furthest_(text.data()) {}

  void run() {
    using Parser = nlohmann::json;
    const char* end = text_.data() + text_.size();
    Parser::sax_parse(TrackedByte(text_.data(), &furthest_), TrackedByte(end, &furthest_), this);
    if (problems_.empty()) return;
    problems_.insert(problems_.begin(), repeated_.begin(), repeated_.end());
    throw ConfigError(std::move(problems_));
  }
  const std::vector<Problem>& repeated() const { return repeated_; }
  Value take() { return std::move(root_); }

  bool null() { return put(Value()); }
  bool boolean(bool truth) { return put(Value(truth)); }
  bool number_integer(std::int64_t number) { return put(Value(number)); }
  bool number_unsigned(std::uint64_t number) { return put(Value(number)); }
  bool number_float(double number, const std::string& text) { return put(Value(number, text)); }
  bool string(std::string& text) { return put(Value(std::move(text))); }
  bool binary(std::vector<std::uint8_t>&) { return false; }  // not in JSON text
  bool start_object(std::size_t) { return open(Value(Value::Object()), true); }
  bool start_array(std::size_t) { return open(Value(Value::Array()), false); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    Level& level = levels_.back();
    const auto [first, fresh] = level.keys.try_emplace(name, offset());
    if (!fresh) reject_duplicate(name, first->second);
    level.again = !fresh;
    level.key = std::move(name);
    if (repeated_.size() < most_duplicates) return true;
    problems_.push_back(repeated_.back());
    repeated_.pop_back();
    return false;
  }

  bool parse_error(std::size_t end, const std::string& token,
                   const nlohmann::detail::exception& error) {
    // Without what was read last: there the user's words could pass for the parser's.
    const std::string_view what = error.what();
    SyntaxFailure failure{end, token, std::string(what.substr(0, what.find("; last read: "))),
                          std::nullopt, complete_};
    if (!levels_.empty()) failure.inside = {levels_.back().offset, levels_.back().object};
    problems_.push_back(syntax_problem(text_, file_, failure));
    return false;
  }

 private:
  // A container that is being filled. Values move into their parent when they are closed.
  struct Level {
    Value value;
    bool object;
    std::size_t offset;                                 // of its opening bracket
    bool again = false;                                 // the key was there before
    std::string key;                                    // of the member that is being read
    std::unordered_map<std::string, std::size_t> keys;  // and where each was first seen
  };
  static constexpr std::size_t most_duplicates = 20;

  std::size_t offset() const { return static_cast<std::size_t>(furthest_ - text_.data()); }

  bool put(Value value) {
    if (++count_ > json_value_limit) {
      problems_.push_back(
          {file_,
           {},
           fmt::format(
               "holds more than {} values; expected a scenario or sweep, which have some hundreds",
               json_value_limit)});
      return false;
    }
    if (levels_.empty()) {
      root_ = std::move(value);
      complete_ = true;
    } else if (Level& level = levels_.back(); level.object && level.again) {
      // The first one stays.
    } else if (level.object) {
      level.value.if_object()->push_back({std::move(level.key), std::move(value)});
    } else {
      level.value.if_array()->push_back(std::move(value));
    }
    return true;
  }

  bool open(Value empty, bool object) {
    if (levels_.size() == json_depth_limit) {
      problems_.push_back({file_, text_place(text_, offset() - 1),
                           fmt::format("nested more than {} levels deep", json_depth_limit)});
      return false;
    }
    levels_.push_back({std::move(empty), object, offset() - 1, false, {}, {}});
    return true;
  }

  bool close() {
    Value done = std::move(levels_.back().value);
    levels_.pop_back();
    return put(std::move(done));
  }

  void reject_duplicate(const std::string& name, std::size_t first) {
    Where where(repeated_, file_);
    for (const Level& level : levels_) {
      if (&level == &levels_.back()) break;
      where = level.object ? where / level.key : where / level.value.if_array()->size();
    }
    const std::string before = line_of(first);
    const std::string here = line_of(offset());
    (where / name)
        .reject(fmt::format("the key {} appears twice, on {}; keep one of them", quote_short(name),
                            before == here ? here : before + " and on " + here));
  }

  std::string line_of(std::size_t at) const {
    const std::string place = text_place(text_, at);
    return place.substr(0, place.find(','));
  }

  std::string_view text_;
  const std::string& file_;
  const char* furthest_;
  std::vector<Problem> problems_;  // after which the text was not read further
  std::vector<Problem> repeated_;
  std::vector<Level> levels_;
  Value root_;
  std::size_t count_ = 0;
  bool complete_ = false;
};

Problem too_large(const std::string& file) {
  return {file,
          {},
          fmt::format("is larger than {} MiB; expected a scenario or sweep, which are "
                      "some kilobytes",
                      json_size_limit >> 20U)};
}

std::string read_bytes(const std::string& name) {
  const InputFile file = open_input(name);
  if (!file) throw ConfigError(Problem{name, {}, "cannot open: " + open_failure(errno)});
  std::string text;
  constexpr std::size_t chunk = std::size_t{1} << 20U;
  while (text.size() <= json_size_limit) {
    const std::size_t before = text.size();
    text.resize(before + chunk);
    const std::size_t got = std::fread(text.data() + before, 1, chunk, file.get());
    text.resize(before + got);
    if (got < chunk) break;
  }
  if (std::ferror(file.get()) != 0)
    throw ConfigError(Problem{name, {}, fmt::format("cannot read: {}", std::strerror(errno))});
  return text;
}

}  // namespace

Value parse_json(std::string_view text, const std::string& file, std::vector<Problem>& repeated) {
  if (text.size() > json_size_limit) throw ConfigError(too_large(file));
  if (std::optional<Problem> problem = byte_problem(text, file))
    throw ConfigError(std::move(*problem));
  Builder builder(text, file);
  builder.run();
  repeated.insert(repeated.end(), builder.repeated().begin(), builder.repeated().end());
  return builder.take();
}

Value parse_json(std::string_view text, const std::string& file) {
  std::vector<Problem> repeated;
  Value document = parse_json(text, file, repeated);
  if (!repeated.empty()) throw ConfigError(std::move(repeated));
  return document;
}

Value read_json_file(const std::filesystem::path& path) {
  std::vector<Problem> repeated;
  Value document = read_json_file(path, repeated);
  if (!repeated.empty()) throw ConfigError(std::move(repeated));
  return document;
}

Value read_json_file(const std::filesystem::path& path, std::vector<Problem>& repeated) {
  const std::string name = path.string();
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    throw ConfigError(Problem{name, {}, "is a directory; expected a JSON file"});
  // Asked first, so that a huge file fails before a byte of it is read; a pipe has no size.
  if (const auto size = std::filesystem::file_size(path, ignored);
      !ignored && size > json_size_limit)
    throw ConfigError(too_large(name));
  return parse_json(read_bytes(name), name, repeated);
}

}  // namespace viosim
