// One small bridge over SimGrid's renames, from 3.32 (Debian 12) to 4.x.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <simgrid/kernel/resource/Model.hpp>
#include <simgrid/s4u.hpp>
#include <simgrid/version.h>
#if SIMGRID_VERSION >= 40000
#include <simgrid/simcall.hpp>
#else
#include <simgrid/simix.hpp>
#endif

#include <functional>
#include <string>
#include <utility>

// The half of simcall_blocking() that its description leaves to its callers. SimGrid exports it, but
// does not install the header that declares it.
namespace simgrid::kernel::actor {
class ActorImpl {
 public:
  void simcall_answer();
};
}  // namespace simgrid::kernel::actor

namespace viosim::compat {

#if SIMGRID_VERSION >= 33400
inline constexpr const char* precision_option = "precision/timing";
#else
inline constexpr const char* precision_option = "surf/precision";
#endif

inline simgrid::s4u::Host* add_host(simgrid::s4u::NetZone* zone, const std::string& name) {
#if SIMGRID_VERSION >= 40000
  return zone->add_host(name, 1e9);
#else
  return zone->create_host(name, 1e9);
#endif
}

inline simgrid::s4u::NetZone* root_zone([[maybe_unused]] simgrid::s4u::Engine& engine) {
#if SIMGRID_VERSION >= 40000
  return engine.get_netzone_root()->add_netzone_full("viosim");
#else
  return simgrid::s4u::create_full_zone("viosim");
#endif
}

inline simgrid::s4u::ActorPtr add_actor([[maybe_unused]] simgrid::s4u::Engine& engine,
                                        const std::string& name, simgrid::s4u::Host* host,
                                        const std::function<void()>& body) {
#if SIMGRID_VERSION >= 40100
  return host->add_actor(name, body);
#elif SIMGRID_VERSION >= 40000
  return engine.add_actor(name, host, body);
#else
  return simgrid::s4u::Actor::create(name, host, body);
#endif
}

// The running actor waits until it is answered. SimGrid runs `code` once the actor has stopped.
template <class Code>
void block_after(Code&& code) {
  simgrid::kernel::actor::simcall_blocking(std::forward<Code>(code));
}

// Lets an actor go on that has blocked. From SimGrid's own context: its models, and what is given to
// block_after().
inline void answer(simgrid::kernel::actor::ActorImpl& actor) { actor.simcall_answer(); }

}  // namespace viosim::compat
