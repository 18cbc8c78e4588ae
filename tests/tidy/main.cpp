// viosim_tidy ROOT: prints every breach of the house rules; exit code 1 when there is one.
// SPDX-License-Identifier: Apache-2.0
#include "tests/tidy/tidy.hpp"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: viosim_tidy ROOT\n", stderr);
    return 2;
  }
  try {
    const auto findings = viosim::tidy::check_tree(argv[1]);
    for (const auto& finding : findings) std::printf("%s\n", finding.text().c_str());
    if (findings.empty()) return 0;
    std::printf("%zu breaches of the house rules; tests/tidy/README.md lists the rules\n",
                findings.size());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "viosim_tidy: %s\n", error.what());
    return 2;
  }
}
