#include <fmt/format.h>

#include "command.h"
#include <corten/base/strings.h>

namespace corten::cli {

namespace {

// "1000" or "1000:1000", numbers only: a name would have to be looked up in the container's files,
// and a half-parsed one must never become root (CVE-2026-30892).
Result<std::pair<uint32_t, std::optional<uint32_t>>> parse_user(std::string_view text) {
  const auto parts = split(text, ':');
  const auto uid = parse_integer<uint32_t>(parts.front());
  const auto gid = parts.size() > 1 ? parse_integer<uint32_t>(parts[1]) : std::nullopt;
  const bool complete = parts.size() == 1 || (parts.size() == 2 && gid && *gid != UINT32_MAX);
  if (!uid || *uid == UINT32_MAX || !complete) {
    return Error(
        ErrorKind::InvalidArgument,
        fmt::format("--user takes UID[:GID] as numbers from 0 to 4294967294, not {}", quote(text)));
  }
  return std::pair(*uid, gid);
}

Result<std::optional<uint32_t>> parse_umask(const Parsed& parsed) {
  const auto text = parsed.value("umask");
  if (!text) return std::optional<uint32_t>();
  uint32_t mask = 0;
  for (const char c : *text) {
    if (c < '0' || c > '7' || mask > 0777)
      return Error(ErrorKind::InvalidArgument,
                   "--umask takes an octal number, not " + quote(*text));
    mask = mask * 8 + static_cast<uint32_t>(c - '0');
  }
  if (text->empty() || mask > 0777)
    return Error(ErrorKind::InvalidArgument, "--umask takes an octal number, not " + quote(*text));
  return std::optional<uint32_t>(mask);
}

Result<std::vector<uint32_t>> parse_gids(const Parsed& parsed) {
  std::vector<uint32_t> gids;
  for (const auto& text : parsed.values("additional-gids")) {
    const auto gid = parse_integer<uint32_t>(text);
    if (!gid || *gid == UINT32_MAX)
      return Error(ErrorKind::InvalidArgument,
                   "--additional-gids takes a number, not " + quote(text));
    gids.push_back(*gid);
  }
  return gids;
}

Result<runtime::ExecOptions> exec_options(const Parsed& parsed) {
  runtime::ExecOptions options;
  options.id = parsed.positional.front();
  options.cgroups = parsed.values("cgroup");
  if (const auto file = parsed.value("process")) {
    options.process_json = TRY(read_input("--process", *file));
  } else {
    options.args.assign(parsed.positional.begin() + 1, parsed.positional.end());
    if (options.args.empty())
      return Error(ErrorKind::InvalidArgument, "a command is needed, or --process FILE");
  }
  if (const auto user = parsed.value("user")) options.user = TRY(parse_user(*user));
  options.cwd = parsed.value("cwd");
  options.env = parsed.values("env");
  options.additional_gids = TRY(parse_gids(parsed));
  options.capabilities = parsed.values("cap");
  options.apparmor = parsed.value("apparmor");
  options.process_label = parsed.value("process-label");
  if (parsed.has("no-new-privs")) options.no_new_privileges = true;
  options.umask = TRY(parse_umask(parsed));
  options.tty = parsed.has("tty");
  options.detach = parsed.has("detach");
  options.ignore_paused = parsed.has("ignore-paused");
  options.console_socket = parsed.value_or("console-socket", "");
  options.pid_file = parsed.value_or("pid-file", "");
  options.pidfd_socket = parsed.value_or("pidfd-socket", "");
  options.preserve_fds = TRY(parsed.number("preserve-fds")).value_or(0);
  return options;
}

}  // namespace

Result<int> exec_command(const Invocation& invocation) {
  const auto run = [&]() -> Result<int> {
    const auto options = TRY(exec_options(invocation.options));
    return runtime::exec(invocation.context, options);
  };
  return run().context("exec failed");
}

}  // namespace corten::cli
