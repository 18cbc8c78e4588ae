// What the trace holds of page requests and their responses.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/pcie/ats.hpp"
#include "models/trace_point.hpp"

#include <cstddef>

namespace viosim {

inline TracePoint::What told(const PageRequest& request, Instant at) {
  const GroupBits bits{request.source.value(), request.group, request.last,
                       request.read,           request.write, request.private_data.has_value()};
  return {.kind = EventKind::page_request,
          .time = at,
          .pasid = request.pasid,
          .address = request.address.value(),
          .value = bits.encode(),
          .code = request.pasid == Pasid(0) ? trace_code::has_pasid_zero : std::uint16_t{0}};
}

// A group, with so many requests, by the one that is answered.
inline TracePoint::What told_taken(const PageRequest& last, std::size_t requests, Instant at) {
  TracePoint::What what = told(last, at);
  what.kind = EventKind::group_taken;
  what.address = requests;
  return what;
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
