#include "load.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>

#include "notify.h"
#include <corten/base/strings.h>
#include <corten/host/probe.h>
#include <corten/plan/build.h>
#include <corten/spec/parse.h>
#include <corten/spec/validate.h>
#include <corten/sys/file.h>

namespace corten::runtime {

namespace {

Result<std::string> absolute(const std::string& path) {
  if (path.starts_with('/')) return clean_path(path);
  const std::string cwd = TRY(sys::getcwd());
  return clean_path(cwd + "/" + path);
}

// Sockets handed over by a service manager (sd_listen_fds(3)); they are meant for this process only
// when LISTEN_PID says so.
unsigned listen_fds() {
  const char* count = ::getenv("LISTEN_FDS");
  const char* pid = ::getenv("LISTEN_PID");
  if (count == nullptr || pid == nullptr || parse_integer<pid_t>(pid) != ::getpid()) return 0;
  return parse_integer<unsigned>(count).value_or(0);
}

void pass_listen_fds(plan::Plan& plan, unsigned count) {
  if (count == 0 || !plan.process) return;
  plan.process->preserve_fds += count;
  plan.process->env.push_back("LISTEN_FDS=" + std::to_string(count));
  plan.process->env.emplace_back("LISTEN_PID=1");
}

Result<std::string> read_config(const std::string& path) {
  Result<std::string> text = sys::read_file(path, spec::kMaxConfigBytes);
  if (text) return text;
  const int code = text.error().errno_value();
  if (code == ENOENT || code == ENOTDIR) {
    return std::move(text).error().with_context(
        "there is no configuration at " + quote(path) +
        ": --bundle names the bundle's directory, `corten spec` writes a first config.json");
  }
  if (code == EISDIR) return std::move(text).error().with_context("the configuration is no file");
  return std::move(text).error().with_context("reading the configuration");
}

struct NamespaceFile {
  int flag;
  std::string_view type;
  const char* own;  // the runtime's
};
constexpr std::array<NamespaceFile, 4> kNamespacesOfSysctls = {
    {{CLONE_NEWNET, "network", "/proc/self/ns/net"},
     {CLONE_NEWIPC, "ipc", "/proc/self/ns/ipc"},
     {CLONE_NEWUTS, "uts", "/proc/self/ns/uts"},
     {CLONE_NEWUSER, "user", "/proc/self/ns/user"}}};

Result<bool> is_same_file(const std::string& one, const std::string& other) {
  const struct stat first = TRY(sys::fstatat(sys::kCwd, one, 0));
  const struct stat second = TRY(sys::fstatat(sys::kCwd, other, 0));
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// The path of a namespace to be joined may name the one that the runtime is in: a kernel parameter
// of that one is the host's.
Result<> refuse_sysctls_of_the_host(const plan::Plan& plan) {
  for (const auto& sysctl : plan.sysctls) {
    const auto type = spec::sysctl_namespace(sysctl.path);
    for (const auto& join : plan.namespaces.join) {
      const auto* file = std::find_if(
          kNamespacesOfSysctls.begin(), kNamespacesOfSysctls.end(), [&](const NamespaceFile& one) {
            return one.flag == join.flag && one.type == type;
          });
      if (file == kNamespacesOfSysctls.end()) continue;
      const Result<bool> same = is_same_file(join.path, file->own);
      // One that cannot be looked at cannot be joined either, and that error says more.
      if (!same || !*same) continue;
      return Error(ErrorKind::InvalidSpec,
                   fmt::format("{} would change the host: the {} namespace {} is the runtime's own",
                               sysctl.pointer,
                               type,
                               quote(join.path)))
          .with_pointer(sysctl.pointer);
    }
  }
  return {};
}

}  // namespace

Result<Loaded> load_plan(const Context& context, const CreateOptions& options) {
  TRY(spec::validate_id(options.id));
  Loaded loaded;
  const std::string bundle = TRY(absolute(options.bundle));
  loaded.config_path = options.config.empty() ? bundle + "/config.json" : options.config;
  loaded.config_text = TRY(read_config(loaded.config_path));
  const spec::Spec spec = TRY(spec::load(loaded.config_text, {}, loaded.config_path));
  loaded.oci_version = spec.oci_version;
  loaded.facts = TRY(host::probe());
  const plan::BuildOptions build{options.id,
                                 bundle,
                                 context.cgroup_driver,
                                 options.no_pivot,
                                 options.no_new_keyring,
                                 options.preserve_fds};
  Result<plan::Plan> plan = plan::build(spec, build, loaded.facts);
  if (!plan) return spec::locate(std::move(plan).error(), loaded.config_text, loaded.config_path);
  loaded.plan = *std::move(plan);
  const Result<> private_sysctls = refuse_sysctls_of_the_host(loaded.plan);
  if (!private_sysctls)
    return spec::locate(private_sysctls.error(), loaded.config_text, loaded.config_path);
  pass_listen_fds(loaded.plan, listen_fds());
  loaded.notify_socket = notify_socket_from_environment();
  if (!loaded.notify_socket.empty())
    add_notify_socket(loaded.plan, context.root + "/" + options.id + "/" + kNotifyDirectory);
  return loaded;
}

Result<std::string> dry_run(const Context& context, const CreateOptions& options) {
  const Loaded loaded = TRY(load_plan(context, options));
  return plan::to_json(loaded.plan);
}

}  // namespace corten::runtime
