// `viosim report`: a page to look at.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/report.hpp"
#include "sim/verbs/verbs.hpp"

#include <fmt/format.h>

namespace viosim {

int report_verb(const ReportArguments& arguments) {
  const report::Written written = report::write_report(
      arguments.database,
      arguments.out ? *arguments.out : report::usual_output(arguments.database));
  fmt::print("wrote {} ({:.1f} MB)\n", written.file.string(),
             static_cast<double>(written.bytes) / 1e6);
  return 0;
}

}  // namespace viosim
