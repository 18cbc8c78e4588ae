// The reasons, by how rows begin. Rules of the specifications of VT-d and PCIe are named by their topic.
// SPDX-License-Identifier: Apache-2.0
#include "tests/inject/intended.hpp"

#include <algorithm>
#include <iterator>

namespace viosim::matrix {
namespace {

struct Remark {
  std::string_view what;
  std::string_view why;
};

constexpr std::string_view waited =
    "Who sent it waits until it is done, and uses nothing again before.";
constexpr std::string_view forgotten =
    "What is forgotten twice is forgotten; a wait behind it comes later.";
constexpr std::string_view in_order =
    "Machines here keep the order of writes, as x86 does, so that a barrier changes nothing.";
constexpr std::string_view not_led =
    "Nothing is led anywhere that was not before: requests are refused, and binds fail.";
constexpr std::string_view does_without =
    "What is off is not used: a bind that needs it is refused (-EINVAL), or its requests are.";
constexpr std::string_view write_buffer =
    "Nothing is taken away: a write that hardware sees late (RWBF, write-buffer flushing) has "
    "requests refused for "
    "longer, and the hardware here has no such buffer.";
constexpr std::string_view nobody_changes =
    "No software of a scenario changes a present entry in place. tests/models/iommu_driver_test "
    "takes "
    "the steps, tests/check/teardowns_test leaves them out.";
constexpr std::string_view nobody_replaces =
    "A hypervisor replaces an entry by iommufd only when its guest did not say that the old one "
    "went, "
    "which violates I26 by itself. tests/models/iommufd_test takes the steps, "
    "tests/check/teardowns_test leaves them out.";
constexpr std::string_view nobody_unmaps =
    "No second level of a scenario loses pages: a guest's memory is whole until it ends. "
    "tests/models/iommufd_test takes the steps.";
constexpr std::string_view nobody_maps =
    "Second levels are mapped before an entry leads to them. tests/models/iommu_driver_test takes "
    "the "
    "steps.";
constexpr std::string_view removed_next = "The order `remove` follows at once, and does the same.";
constexpr std::string_view drained =
    "A queue's stop has waited for its page requests, and what was answered is at its function: "
    "none "
    "is left to drain. Of a function that stops too early: `i09-no-drain`.";
constexpr std::string_view context_gone =
    "The context entry goes next: what the function still sends is refused by it (0x41).";

// The first that a row begins with counts.
constexpr Remark remarks[] = {
    {"duplicate `invalidation-completion`",
     "The tag of the second answer is that of nobody who waits (PCIe ATS, invalidate completions): "
     "it is dropped."},
    {"duplicate `page-request-interrupt`", "The thread finds its queue empty."},
    {"duplicate `fault-event`", "The hypervisor reads all there is, and the second time nothing."},
    {"duplicate `registration`",
     "The second one is refused (-EEXIST). What Linux 6.1 makes of it is `D2`."},
    {"duplicate `context-cache`", forgotten},
    {"duplicate `iotlb`", forgotten},
    {"duplicate `devtlb`", forgotten},
    {"duplicate `pasid-iotlb`", forgotten},
    {"duplicate `pasid-cache`", forgotten},
    {"duplicate `pasid-devtlb`", forgotten},
    {"delay `wait`", waited},
    {"delay `command`", waited},
    {"duplicate `command-completion`",
     "The hypervisor finds no command outstanding the second time. One that does not look: "
     "`i18-answered-twice`."},
    {"truncate `iotlb`", "It is of whole domains here, and names no pages."},
    {"delay `page-request", "The function waits for its answer, which is given within I11's time."},
    {"drop `fault-event`",
     "The host answers for the guest after 1 s, within I11's time; the guest's work fails."},
    {"delay `fault-event`", "The guest answers later, within I11's time."},
    {"drop `bind-notice`",
     "Processors find no translation of the PASID: ENQCMD exits, and the guest's work fails."},
    {"delay `unmap-notice`", waited},
    {"delay `exit-notice`", waited},
    {"drop `registration`",
     "The kernel gives numbers by itself, and VFIO binds none of them, for they are not the "
     "guest's. "
     "Without that check: `i04-foreign-bind`."},
    {"delay `registration`",
     "The kernel goes on booting when it is done; nobody has asked before."},
    {"skip `add.write_context`", not_led},
    {"skip `add.flush_write_buffer`", write_buffer},
    {"skip `add.flush_iotlb_of_domain`",
     "A function without a context entry has put nothing into an IOTLB, where no fault is "
     "remembered; its vIOMMU hears of the entry by the context cache."},
    {"skip `add.enable_", does_without},
    {"skip `set_up.barrier`", in_order},
    {"skip `set_up.set_present`", not_led},
    {"skip `set_up.flush_write_buffer`", write_buffer},
    {"skip `set_up.flush_iotlb_of_pasid`",
     "An entry that was absent has put nothing into an IOTLB, and its vIOMMU hears of it by "
     "the "
     "PASID cache."},
    {"skip `change.", nobody_changes},
    {"skip `replace.", nobody_replaces},
    {"skip `tear_down.barrier`", in_order},
    {"skip `tear_down.zero_entry`",
     "Hardware looks at nothing else of an entry whose P is 0, and all of it is written "
     "before P "
     "is 1 again."},
    {"skip `unmap_second.", nobody_unmaps},
    {"skip `map.", nobody_maps},
    {"skip `attach.set_up_default`", not_led},
    {"skip `attach.", does_without},
    {"skip `detach.release_domain`",
     "The entry of a second level was flushed with all of its domain when it was torn down, just "
     "before (domain-selective invalidation of the IOTLB)."},
    {"skip `detach.", removed_next},
    {"skip `remove.tear_down_default`",
     "Nothing is bound without a PASID any more: unbinding or detaching has torn the entry down."},
    {"skip `remove.disable_", context_gone},
    {"skip `remove.barrier`", in_order},
    {"skip `remove.flush_device_tlb`",
     "ATS was disabled before, and with it the function has forgotten its translations (PCIe "
     "ATS, disabling)."},
    {"skip `remove.zero_context`",
     "Hardware looks at nothing else of an entry whose P is 0, and all of it is written "
     "before P "
     "is 1 again."},
    {"skip `remove.release_domain`", "First levels share a domain, which is never given back."},
    {"skip `drain.", drained},
    {"skip `guest_unbind.answer_page_requests`", drained},
    {"skip `guest_unbind.drain`", drained},
    {"skip `eject.unbind`",
     "Who is unplugged in order has unbound before; by surprise it is bound until its container "
     "closes."},
    {"skip `eject.complete_command`",
     "No command is outstanding when the vIOMMU goes. One that is: `i19-busy-eject`."},
    {"misbehave `use_after_stop`",
     "The entry is taken away and flushed next: what is asked for after that is refused (0x59), "
     "until "
     "the number has another life (I28)."},
    {"misbehave `answer_twice`",
     "The tag of the second answer is that of nobody who waits (PCIe ATS, invalidate completions): "
     "it is dropped."},
    {"misbehave `wrong_pasid`",
     "The table of the function has no entry there, or ends before it: its requests are refused "
     "and "
     "reported (0x59, 0x51, 0x46), `errors/dma-unknown-pasid`."},
    {"defect `D6`", "What it refuses is allowed: a figure shows it, `d6-highest-refused`."},
};

}  // namespace

std::string_view why_nothing(std::string_view what) {
  const auto* const found =
      std::find_if(std::begin(remarks), std::end(remarks),
                   [&](const Remark& one) { return what.starts_with(one.what); });
  return found == std::end(remarks) ? std::string_view() : found->why;
}

}  // namespace viosim::matrix
