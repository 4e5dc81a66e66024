// linux.intelRdt, as the operations need it. Without it nothing here makes a system call.
// Spec: config-linux.md "IntelRdt".
#pragma once

#include <sys/types.h>

#include "rdt_stats.h"
#include "record.h"
#include "resctrl.h"
#include <corten/base/result.h>

namespace corten::runtime {

// The host's resctrl filesystem. Errors: InvalidSpec when none is mounted.
Result<Resctrl> open_resctrl();

// exec: puts a process that is no child of init where init is. When the filesystem or the class has
// gone, init is in no class any more either: that is a warning.
Result<> enter_rdt_groups(const Record& record, pid_t tid);

// delete: also of a creation that came to no end. A filesystem that is not mounted any more has
// taken the groups with it.
Result<> remove_rdt_groups(const Record& record);

// events: empty without linux.intelRdt, and when the filesystem has gone.
Result<RdtStats> rdt_stats_of(const Record& record);

}  // namespace corten::runtime
