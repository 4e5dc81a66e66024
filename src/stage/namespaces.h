// Entering namespaces: the ones to join and the ones to make, in the order that keeps every
// privilege until it has been used.
#pragma once

#include <corten/base/result.h>
#include <corten/plan/plan.h>
#include <corten/proto/channel.h>

namespace corten::stage {

// stage1, after the cgroups were entered: joins and makes all namespaces; asks the parent for id
// maps and time offsets on the way. Afterwards the process is root of its user namespace when that
// maps id 0.
Result<> enter_namespaces(const plan::Namespaces& namespaces, const proto::Channel& channel);

}  // namespace corten::stage
