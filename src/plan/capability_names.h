// Capability names: a name that this table does not know is a warning, so they are no rule of the
// spec layer. The features document lists them.
#pragma once

#include <corten/base/flags.h>

namespace corten::plan {

// linux/capability.h. The value is the bit's number.
inline constexpr NameTable kCapabilities{{
    Named<int>{"CAP_CHOWN", 0},
    Named<int>{"CAP_DAC_OVERRIDE", 1},
    Named<int>{"CAP_DAC_READ_SEARCH", 2},
    Named<int>{"CAP_FOWNER", 3},
    Named<int>{"CAP_FSETID", 4},
    Named<int>{"CAP_KILL", 5},
    Named<int>{"CAP_SETGID", 6},
    Named<int>{"CAP_SETUID", 7},
    Named<int>{"CAP_SETPCAP", 8},
    Named<int>{"CAP_LINUX_IMMUTABLE", 9},
    Named<int>{"CAP_NET_BIND_SERVICE", 10},
    Named<int>{"CAP_NET_BROADCAST", 11},
    Named<int>{"CAP_NET_ADMIN", 12},
    Named<int>{"CAP_NET_RAW", 13},
    Named<int>{"CAP_IPC_LOCK", 14},
    Named<int>{"CAP_IPC_OWNER", 15},
    Named<int>{"CAP_SYS_MODULE", 16},
    Named<int>{"CAP_SYS_RAWIO", 17},
    Named<int>{"CAP_SYS_CHROOT", 18},
    Named<int>{"CAP_SYS_PTRACE", 19},
    Named<int>{"CAP_SYS_PACCT", 20},
    Named<int>{"CAP_SYS_ADMIN", 21},
    Named<int>{"CAP_SYS_BOOT", 22},
    Named<int>{"CAP_SYS_NICE", 23},
    Named<int>{"CAP_SYS_RESOURCE", 24},
    Named<int>{"CAP_SYS_TIME", 25},
    Named<int>{"CAP_SYS_TTY_CONFIG", 26},
    Named<int>{"CAP_MKNOD", 27},
    Named<int>{"CAP_LEASE", 28},
    Named<int>{"CAP_AUDIT_WRITE", 29},
    Named<int>{"CAP_AUDIT_CONTROL", 30},
    Named<int>{"CAP_SETFCAP", 31},
    Named<int>{"CAP_MAC_OVERRIDE", 32},
    Named<int>{"CAP_MAC_ADMIN", 33},
    Named<int>{"CAP_SYSLOG", 34},
    Named<int>{"CAP_WAKE_ALARM", 35},
    Named<int>{"CAP_BLOCK_SUSPEND", 36},
    Named<int>{"CAP_AUDIT_READ", 37},
    Named<int>{"CAP_PERFMON", 38},
    Named<int>{"CAP_BPF", 39},
    Named<int>{"CAP_CHECKPOINT_RESTORE", 40},
}};

}  // namespace corten::plan
