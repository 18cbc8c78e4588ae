// The page around the data: nothing in the data gets out of its place, and the policy fits the page.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/page.hpp"

#include "sim/json/parse.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::report;

namespace {

Value named(const std::string& name) {
  Value::Object object;
  add(object, "name", name);
  return Value(std::move(object));
}

// The data of a page, as a browser sees it.
std::string data_of(const std::string& page) {
  const std::string open = R"(<script type="application/json" id="data">)";
  const std::size_t begin = page.find(open) + open.size();
  return page.substr(begin, page.find("</script", begin) - begin);
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
    ++found;
  return found;
}

}  // namespace

TEST_CASE("base64 of hexadecimal digits is as RFC 4648 has it", "[report]") {
  CHECK(base64_of_hex("").empty());
  CHECK(base64_of_hex("66") == "Zg==");
  CHECK(base64_of_hex("666f") == "Zm8=");
  CHECK(base64_of_hex("666f6f") == "Zm9v");
  CHECK(base64_of_hex("666f6f626172") == "Zm9vYmFy");
  CHECK(base64_of_hex("fbff") == "+/8=");
}

TEST_CASE("no text of the data ends its element, whatever it holds", "[report]") {
  const std::string name =
      GENERATE(as<std::string>(), "</script><script>alert(1)</script>", "<!--<script>",
               "{{script}}", "a \\ \"quoted\" & <b>", "\x01\x7f", "{{data}}{{nothing}}");
  const std::string whole = page("title", named(name));
  CHECK(parse_json(data_of(whole), "data") == named(name));
  CHECK(count(whole, "<script") - count(whole, "'<script") == 3);
  CHECK(whole.find("alert(1)</script>") == std::string::npos);
}

TEST_CASE("bytes that are no UTF-8 become replacement characters", "[report]") {
  const std::string replaced = "\xef\xbf\xbd";
  CHECK(embeddable("a\xff z") == "a" + replaced + " z");
  CHECK(embeddable("\xc3") == replaced);                                // cut short
  CHECK(embeddable("\xc0\xaf") == replaced + replaced);                 // overlong
  CHECK(embeddable("\xed\xa0\x80") == replaced + replaced + replaced);  // a surrogate
  CHECK(embeddable("\xe2\x82\xac \xf0\x9f\x98\x80") == "\xe2\x82\xac \xf0\x9f\x98\x80");
}

TEST_CASE("a title is text", "[report]") {
  CHECK(page("</title><script>", named("a"))
            .find("<title>&lt;/title&gt;&lt;script&gt; - viosim</title>") != std::string::npos);
}

TEST_CASE("the page names nothing to load, and leaves no place of its template", "[report]") {
  const std::string whole = page("title", named("a"));
  CHECK(whole.find("{{") == std::string::npos);
  for (const char* loads : {" src=", "@import", "url(", "<link", "<iframe", "fetch(",
                            "XMLHttpRequest", "eval(", "new Function"})
    CHECK(whole.find(loads) == std::string::npos);
  CHECK(whole.find("default-src 'none'; script-src 'sha256-") != std::string::npos);
  CHECK(whole.find("unsafe") == std::string::npos);
}

TEST_CASE("the licence of what others wrote is in the page", "[report]") {
  CHECK(page("title", named("a")).find("Copyright (c) 2022 Leon Sorokin") != std::string::npos);
}
