// Turns the parser's complaint into one that a person can act on.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/syntax.hpp"

#include "sim/json/value.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
namespace {

constexpr std::string_view blanks = " \t\r\n";

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// The word, text or sign that begins at `offset`, as a person would point at it.
std::string found_at(std::string_view text, std::size_t offset) {
  constexpr std::string_view signs = "{}[]:,";
  const std::string_view rest = text.substr(offset);
  if (signs.find(rest.front()) != std::string_view::npos) return fmt::format("'{}'", rest.front());
  if (rest.front() == '"') return quote_short(rest.substr(1, rest.find('"', 1) - 1));
  // Anything beyond ASCII may be half a character; it is not worth showing.
  const auto shown = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7f &&
           std::string_view("{}[]:,\"").find(c) == std::string_view::npos;
  };
  const std::size_t end =
      static_cast<std::size_t>(std::find_if_not(rest.begin(), rest.end(), shown) - rest.begin());
  if (end == 0) return "a character that is not JSON";
  const std::string quoted = quote_short(rest.substr(0, end));
  return fmt::format("'{}'", quoted.substr(1, quoted.size() - 2));
}

// The last character before `offset` that is no blank.
char before(std::string_view text, std::size_t offset) {
  const std::size_t at =
      offset == 0 ? std::string_view::npos : text.find_last_not_of(blanks, offset - 1);
  return at == std::string_view::npos ? '\0' : text[at];
}

std::string bad_text(const SyntaxFailure& failure) {
  const std::string_view says = failure.parser_says;
  if (has(says, "missing closing quote")) return "the text that begins here has no closing quote";
  if (has(says, "(LF)") || has(says, "(CR)"))
    return "a text must end on the line it begins on; close it with '\"', or write \\n for a line "
           "break";
  if (has(says, "control character"))
    return "a text holds a control character; write it as an escape, such as \\t or \\u001b";
  if (has(says, "UTF-8")) return "these bytes are not UTF-8; save the file as UTF-8";
  if (has(says, "backslash"))
    return "unknown escape; after '\\' expected one of \" \\ / b f n r t u";
  if (has(says, "4 hex digits")) return "after \\u expected four hexadecimal digits";
  return "half of a surrogate pair; write the character itself, or both halves as \\uD83D\\uDE00";
}

// A number, which has no multi-byte characters.
std::string shortened(const std::string& number) {
  constexpr std::size_t longest = 48;
  return number.size() <= longest ? number : number.substr(0, longest) + "...";
}

std::string bad_word(std::string_view text, std::size_t start, const SyntaxFailure& failure) {
  const char first = text[start];
  if (first == '/' || first == '#') return "JSON has no comments; remove this one";
  if (first == '\'') return "texts are quoted with '\"' in JSON, not with \"'\"";
  const std::string found = found_at(text, start);
  if (has(failure.parser_says, "object key"))
    return fmt::format("expected a key in double quotes, found {}", found);
  return fmt::format(
      "expected a text in double quotes, a number such as 0.5, or true, false or null; found {}",
      found);
}

std::string bad_place(std::string_view text, std::size_t start, const SyntaxFailure& failure) {
  const std::string found = found_at(text, start);
  const char last = before(text, start);
  const bool closing = text[start] == '}' || text[start] == ']';
  if (closing && last == ',') return fmt::format("remove the ',' before {}", found);
  if (has(failure.parser_says, "object key"))
    return fmt::format("expected a key in double quotes, found {}", found);
  if (has(failure.parser_says, "object separator"))
    return fmt::format("expected ':' and a value after the key, found {}", found);
  const bool digits =
      start > 0 && text[start - 1] == '0' && text[start] >= '0' && text[start] <= '9';
  if (digits) return "a number must not begin with a needless 0";
  if (has(failure.parser_says, "parsing value"))
    return fmt::format("expected a value, found {}", found);
  const char close = failure.inside && failure.inside->object ? '}' : ']';
  return fmt::format("expected ',' or '{}', found {}", close, found);
}

std::string end_of_text(std::string_view text, const SyntaxFailure& failure) {
  if (!failure.inside) return "the text ends before the document does";
  return fmt::format("the text ends, but the {} that began at {} is not closed with '{}'",
                     failure.inside->object ? "object" : "list",
                     text_place(text, failure.inside->offset), failure.inside->object ? '}' : ']');
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '+' || c == '.';
}

// Where the token begins that the parser stumbled over. The parser keeps the text of numbers and
// texts only; signs are one byte, and words are found by walking back.
std::size_t token_start(std::string_view text, const SyntaxFailure& failure) {
  const std::string_view says = failure.parser_says;
  const std::size_t end = std::min(failure.end, text.size());
  for (const char* kept : {"unexpected string literal", "unexpected number literal",
                           "invalid number", "number overflow", "missing closing quote"}) {
    if (has(says, kept)) return end - std::min(end, failure.token.size());
  }
  std::size_t start = failure.end == 0 ? 0 : std::min(failure.end - 1, text.size());
  const bool word = has(says, "invalid literal") || has(says, "unexpected true literal") ||
                    has(says, "unexpected false literal") || has(says, "unexpected null literal");
  while (word && start > 0 && is_word(text[start - 1])) --start;
  return start;
}

}  // namespace

std::string text_place(std::string_view text, std::size_t offset) {
  const std::string_view seen = text.substr(0, offset);
  const std::size_t line_start = seen.find_last_of('\n') + 1;  // npos + 1 is 0: the first line
  const auto line = 1 + std::count(seen.begin(), seen.end(), '\n');
  const auto column =
      1 + std::count_if(seen.begin() + static_cast<std::ptrdiff_t>(line_start), seen.end(),
                        [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; });
  return fmt::format("line {}, column {}", line, column);
}

Problem syntax_problem(std::string_view text, const std::string& file,
                       const SyntaxFailure& failure) {
  const std::string_view says = failure.parser_says;
  const std::size_t start = token_start(text, failure);
  const auto problem = [&](std::size_t at, std::string message) {
    return Problem{file, text_place(text, at), std::move(message)};
  };
  if (has(says, "number overflow"))
    return problem(start, fmt::format("the number {} is too large; the largest is 1.797e308",
                                      shortened(failure.token)));
  if (has(says, "missing closing quote")) return problem(start, bad_text(failure));
  if (has(says, "invalid string")) return problem(start, bad_text(failure));
  // The parser took the first byte for that of a byte order mark.
  if (has(says, "invalid BOM")) return problem(0, bad_word(text, 0, failure));
  if (has(says, "unexpected end of input") || start >= text.size())
    return problem(text.size(), end_of_text(text, failure));
  if (failure.complete)
    return problem(start, fmt::format("expected nothing after the end of the document, found {}",
                                      found_at(text, start)));
  if (has(says, "invalid number"))
    return problem(start, fmt::format("{} is no number; expected digits, as in 12 or 0.5",
                                      found_at(text, start)));
  if (has(says, "invalid literal")) return problem(start, bad_word(text, start, failure));
  return problem(start, bad_place(text, start, failure));
}

std::optional<Problem> byte_problem(std::string_view text, const std::string& file) {
  if (text.starts_with("\xef\xbb\xbf") || text.starts_with("\xff\xfe") ||
      text.starts_with("\xfe\xff"))
    return Problem{file, text_place(text, 0),
                   "begins with a byte order mark; save the file as UTF-8 without one"};
  if (text.starts_with("\x28\xb5\x2f\xfd"))
    return Problem{file,
                   {},
                   "is compressed by zstd; expected a JSON document. Recordings are played by "
                   "`viosim replay`, or named by a scenario"};
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos)
    return Problem{file, text_place(text, nul), "holds a NUL byte; expected JSON text in UTF-8"};
  if (text.find_first_not_of(blanks) == std::string_view::npos)
    return Problem{file, {}, "is empty; expected a JSON document"};
  return std::nullopt;
}

}  // namespace viosim
