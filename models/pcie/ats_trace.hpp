// What the trace holds of page requests and their responses.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/pcie/ats.hpp"
#include "models/trace_point.hpp"

namespace viosim {

inline TracePoint::What told(const PageRequest& request, Instant at) {
  const GroupBits bits{request.source.value(), request.group, request.last, request.read,
                       request.write};
  return {.kind = EventKind::page_request,
          .time = at,
          .pasid = request.pasid,
          .address = request.address.value(),
          .value = bits.encode()};
}

inline TracePoint::What told(const PageResponse& response, Instant at) {
  const GroupBits bits{response.source.value(), response.group};
  return {.kind = EventKind::respond,
          .time = at,
          .pasid = response.pasid,
          .value = bits.encode(),
          .code = static_cast<std::uint16_t>(response.code)};
}

}  // namespace viosim
