// Notifier chains.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/notifier.hpp"

#include <algorithm>

namespace ioasid {

Error NotifierChain::add(Notifier& notifier, Priority priority) {
  for (const Link& link : links_)
    if (link.notifier == &notifier) return Error::eexist;
  const auto after = std::find_if(links_.begin(), links_.end(),
                                  [&](const Link& link) { return link.priority < priority; });
  links_.insert(after, {&notifier, priority});
  return Error::ok;
}

Error NotifierChain::remove(Notifier& notifier) {
  const auto removed =
      std::erase_if(links_, [&](const Link& link) { return link.notifier == &notifier; });
  return removed == 0 ? Error::enoent : Error::ok;
}

void NotifierChain::call(const Notice& notice) const noexcept {
  for (const Link& link : links_) link.notifier->notify(notice);
}

}  // namespace ioasid
