#include "load.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

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
