// config.md "Process". commandLine and user.username belong to Windows and are ignored.
#include "read.h"

namespace corten::spec {

namespace {

// `uint` in the spec, unsigned short in the kernel's struct winsize.
struct WideConsoleSize {
  uint32_t height = 0;
  uint32_t width = 0;
};

void read_value(Cursor cursor, WideConsoleSize& out, Range range) {
  ObjectReader object(cursor);
  object.required("height", out.height, range);
  object.required("width", out.width, range);
}

// consoleSize MUST be ignored without a terminal, even when it would not fit one.
void read_console_size(ObjectReader& object, Process& out) {
  constexpr Range kWinsize{0, UINT16_MAX};
  constexpr Range kAny{0, UINT32_MAX};
  std::optional<WideConsoleSize> wide;
  object.optional("consoleSize", wide, out.terminal ? kWinsize : kAny);
  if (!wide || !out.terminal) return;
  out.console_size = {.height = static_cast<uint16_t>(wide->height),
                      .width = static_cast<uint16_t>(wide->width)};
}

}  // namespace

void read_value(Cursor cursor, Process& out) {
  ObjectReader object(cursor);
  object.optional("terminal", out.terminal);
  read_console_size(object, out);
  object.optional("user", out.user);  // the text gives no level: absent is 0:0, as for every peer
  object.optional("args", out.args);
  object.optional("env", out.env);
  object.required("cwd", out.cwd);
  object.optional("capabilities", out.capabilities);
  object.optional("rlimits", out.rlimits);
  object.optional("noNewPrivileges", out.no_new_privileges);
  object.optional("apparmorProfile", out.apparmor_profile);
  object.optional("oomScoreAdj", out.oom_score_adj);
  object.optional("selinuxLabel", out.selinux_label);
  object.optional("ioPriority", out.io_priority);
  object.optional("scheduler", out.scheduler);
  object.optional("execCPUAffinity", out.exec_cpu_affinity);
}

void read_value(Cursor cursor, User& out) {
  ObjectReader object(cursor);
  object.required("uid", out.uid, kIdRange);
  object.required("gid", out.gid, kIdRange);
  object.optional("umask", out.umask);
  object.optional("additionalGids", out.additional_gids, kIdRange);
}

void read_value(Cursor cursor, Rlimit& out) {
  ObjectReader object(cursor);
  object.required("type", out.type);
  object.required("hard", out.hard);
  object.required("soft", out.soft);
}

void read_value(Cursor cursor, Capabilities& out) {
  ObjectReader object(cursor);
  object.optional("bounding", out.bounding);
  object.optional("effective", out.effective);
  object.optional("inheritable", out.inheritable);
  object.optional("permitted", out.permitted);
  object.optional("ambient", out.ambient);
}

void read_value(Cursor cursor, Scheduler& out) {
  ObjectReader object(cursor);
  object.required("policy", out.policy);
  object.optional("nice", out.nice);
  object.optional("priority", out.priority);
  object.optional("flags", out.flags);
  object.optional("runtime", out.runtime);
  object.optional("deadline", out.deadline);
  object.optional("period", out.period);
}

void read_value(Cursor cursor, IoPriority& out) {
  ObjectReader object(cursor);
  object.required("class", out.io_class);
  object.required("priority", out.priority);
}

void read_value(Cursor cursor, ExecCpuAffinity& out) {
  ObjectReader object(cursor);
  object.optional("initial", out.initial);
  object.optional("final", out.final);
}

}  // namespace corten::spec
