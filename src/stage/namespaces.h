// Entering namespaces: the ones to join and the ones to make, in the order that keeps every
// privilege until it has been used.
#pragma once

#include <corten/base/result.h>
#include <corten/plan/plan.h>
#include <corten/proto/channel.h>

namespace corten::stage {

// stage1: joins and makes all namespaces but those of `later` (CLONE_NEW*); asks the parent for id
// maps and time offsets on the way. Afterwards the process is root of its user namespace when that
// maps id 0. A new cgroup namespace shows the cgroups that were entered before it was made.
Result<> enter_namespaces(const plan::Namespaces& namespaces,
                          const proto::Channel& channel,
                          uint64_t later);

// In a new network namespace: the loopback interface, with its addresses.
Result<> bring_up_loopback(const plan::Namespaces& namespaces);

}  // namespace corten::stage
