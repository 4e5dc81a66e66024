// One function a structure of config.h, one file a section of the spec. Each lists the properties
// in the spec's order; overload resolution finds the function of the member's type.
#pragma once

#include <vector>

#include "cursor.h"
#include <corten/spec/config.h>

namespace corten::spec {

// read_config.cc
void read_value(Cursor cursor, Spec& out);
void read_value(Cursor cursor, Root& out);
void read_value(Cursor cursor, Mount& out);
void read_value(Cursor cursor, IdMapping& out);

// read_hooks.cc
void read_value(Cursor cursor, Hooks& out);
void read_value(Cursor cursor, Hook& out);

// read_process.cc
void read_value(Cursor cursor, Process& out);
void read_value(Cursor cursor, User& out);
void read_value(Cursor cursor, Rlimit& out);
void read_value(Cursor cursor, Capabilities& out);
void read_value(Cursor cursor, Scheduler& out);
void read_value(Cursor cursor, IoPriority& out);
void read_value(Cursor cursor, ExecCpuAffinity& out);

// read_linux.cc
void read_value(Cursor cursor, Linux& out);
void read_value(Cursor cursor, Namespace& out);
void read_value(Cursor cursor, std::vector<TimeOffset>& out);
void read_value(Cursor cursor, Device& out);
void read_value(Cursor cursor, std::vector<NetDevice>& out);
void read_value(Cursor cursor, IntelRdt& out);
void read_value(Cursor cursor, MemoryPolicy& out);
void read_value(Cursor cursor, Personality& out);

// read_resources.cc
void read_value(Cursor cursor, Resources& out);
void read_value(Cursor cursor, DeviceRule& out);
void read_value(Cursor cursor, Memory& out);
void read_value(Cursor cursor, Cpu& out);
void read_value(Cursor cursor, Pids& out);
void read_value(Cursor cursor, BlockIo& out);
void read_value(Cursor cursor, WeightDevice& out);
void read_value(Cursor cursor, ThrottleDevice& out);
void read_value(Cursor cursor, HugepageLimit& out);
void read_value(Cursor cursor, NetworkResources& out);
void read_value(Cursor cursor, InterfacePriority& out);
void read_value(Cursor cursor, std::vector<Rdma>& out);

// read_seccomp.cc
void read_value(Cursor cursor, Seccomp& out);
void read_value(Cursor cursor, SeccompSyscall& out);
void read_value(Cursor cursor, SeccompArg& out);

}  // namespace corten::spec
