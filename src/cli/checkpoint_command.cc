// checkpoint and restore.
#include <fmt/format.h>

#include "command.h"
#include <corten/base/strings.h>
#include <corten/sys/file.h>

namespace corten::cli {

namespace {

// Relative paths are meant from here; CRIU looks from elsewhere.
Result<std::string> absolute(const std::string& path) {
  if (path.empty() || path.starts_with('/')) return path;
  const std::string cwd = TRY(sys::getcwd());
  return clean_path(cwd + "/" + path);
}

Result<runtime::CriuOptions> criu_options(const Parsed& parsed) {
  runtime::CriuOptions options;
  options.image_path = TRY(absolute(parsed.value_or("image-path", "checkpoint")));
  options.work_path = TRY(absolute(parsed.value_or("work-path", "")));
  options.parent_path = parsed.value_or("parent-path", "");
  options.manage_cgroups_mode = parsed.value_or("manage-cgroups-mode", "");
  options.network_lock = parsed.value_or("network-lock", "");
  options.page_server = parsed.value_or("page-server", "");
  options.empty_namespaces = parsed.values("empty-ns");
  options.leave_running = parsed.has("leave-running");
  options.pre_dump = parsed.has("pre-dump");
  options.tcp_established = parsed.has("tcp-established");
  options.tcp_skip_in_flight = parsed.has("tcp-skip-in-flight");
  options.tcp_close = parsed.has("tcp-close");
  options.ext_unix_sk = parsed.has("ext-unix-sk");
  options.shell_job = parsed.has("shell-job");
  options.file_locks = parsed.has("file-locks");
  options.link_remap = parsed.has("link-remap");
  options.lazy_pages = parsed.has("lazy-pages");
  options.auto_dedup = parsed.has("auto-dedup");
  if (const auto fd = TRY(parsed.number("status-fd"))) options.status_fd = static_cast<int>(*fd);
  return options;
}

}  // namespace

Result<int> checkpoint_command(const Invocation& invocation) {
  const auto& parsed = invocation.options;
  const auto options = TRY(criu_options(parsed));
  TRY(runtime::checkpoint(invocation.context, parsed.positional.front(), options));
  return 0;
}

Result<int> restore_command(const Invocation& invocation) {
  const auto& parsed = invocation.options;
  runtime::RestoreOptions options;
  options.criu = TRY(criu_options(parsed));
  options.lsm_profile = parsed.value_or("lsm-profile", "");
  options.lsm_mount_context = parsed.value_or("lsm-mount-context", "");
  auto& create = options.run.create;
  create.id = parsed.positional.front();
  create.bundle = parsed.value_or("bundle", ".");
  create.console_socket = parsed.value_or("console-socket", "");
  create.pid_file = parsed.value_or("pid-file", "");
  create.no_pivot = parsed.has("no-pivot");
  create.no_new_keyring = parsed.has("no-new-keyring");
  options.run.detach = parsed.has("detach");
  return runtime::restore(invocation.context, options);
}

}  // namespace corten::cli
