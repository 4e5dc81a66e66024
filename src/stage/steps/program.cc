#include "program.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>

#include <fmt/format.h>

#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::stage {

namespace {

// confstr(_CS_PATH): what execvp(3) uses without a PATH.
constexpr std::string_view kDefaultPath = "/bin:/usr/bin";
constexpr const char* kShell = "/bin/sh";
constexpr std::size_t kMaxPasswdBytes = std::size_t{1} << 20U;
constexpr std::size_t kMaxPasswdLine = 8192;

std::optional<std::string_view> find_variable(const std::vector<std::string>& env,
                                              std::string_view name) {
  for (const auto& one : env) {
    const std::string_view entry = one;
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=')
      return entry.substr(name.size() + 1);
  }
  return std::nullopt;
}

// The image's file may be a fifo, a device or endless: it is read only when it is a regular file of
// reasonable size (CVE-2024-9676). One without a size is empty, or a link to a file of procfs and
// its kin, where reading can change the host: it takes the kernel's messages out of /proc/kmsg.
Result<std::string> read_passwd() {
  const sys::UniqueFd root = TRY(sys::open("/", O_PATH | O_DIRECTORY));
  const sys::UniqueFd fd = TRY(sys::openat2_existing(root.get(),
                                                     "etc/passwd",
                                                     O_RDONLY | O_NONBLOCK | O_NOCTTY,
                                                     RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
  if (!fd.valid()) return std::string();
  const struct stat status = TRY(sys::fstat(fd.get()));
  if (!S_ISREG(status.st_mode))
    return Error(ErrorKind::System, "/etc/passwd is not a regular file");
  if (status.st_size == 0) return std::string();
  return sys::read_all(fd.get(), kMaxPasswdBytes);
}

std::string home_of(uint32_t uid) {
  constexpr const char* kFallback = "/";
  const Result<std::string> passwd = read_passwd();
  if (!passwd) return kFallback;
  for (const auto line : split(*passwd, '\n')) {
    if (line.size() > kMaxPasswdLine) return kFallback;
    const auto fields = split(line, ':');
    if (fields.size() < 7 || parse_integer<uint32_t>(fields[2]) != uid) continue;
    return fields[5].starts_with('/') ? std::string(fields[5]) : kFallback;
  }
  return kFallback;
}

std::vector<std::string> candidates_of(const std::string& name,
                                       const std::vector<std::string>& env) {
  if (name.empty()) return {};  // nothing to look for: not the directories of PATH themselves
  if (name.find('/') != std::string::npos) return {name};
  std::vector<std::string> candidates;
  for (const auto directory : split(find_variable(env, "PATH").value_or(kDefaultPath), ':')) {
    // An empty element is the working directory (execvp(3)).
    candidates.push_back(directory.empty() ? "./" + name : std::string(directory) + "/" + name);
  }
  return candidates;
}

// 0, or the errno that execve would give to root.
int probe(const std::string& path) {
  const Result<struct stat> status = sys::fstatat(AT_FDCWD, path, 0);
  if (!status) return status.error().errno_value();
  if (S_ISDIR(status->st_mode)) return EISDIR;
  if (!S_ISREG(status->st_mode) || (status->st_mode & 0111) == 0) return EACCES;
  return 0;
}

}  // namespace

Program::Program(const plan::Process& process)
    : name_(process.args.empty() ? "" : process.args.front()),
      env_(process.env),
      candidates_(candidates_of(name_, process.env)) {
  if (!find_variable(env_, "HOME")) env_.push_back("HOME=" + home_of(process.uid));
  for (const auto& arg : process.args) argv_.push_back(const_cast<char*>(arg.c_str()));
  argv_.push_back(nullptr);
  for (const auto& one : env_) envp_.push_back(const_cast<char*>(one.c_str()));
  envp_.push_back(nullptr);
  // {"sh", path, args[1...]}: the path is filled in when it is needed.
  shell_argv_.push_back(const_cast<char*>("sh"));
  shell_argv_.push_back(nullptr);
  for (std::size_t i = 1; i < argv_.size(); ++i) shell_argv_.push_back(argv_[i]);
  if (argv_.size() == 1) shell_argv_.push_back(nullptr);
}

Error Program::describe(int errno_value, const std::string& path) const {
  const std::string exec =
      fmt::format("unable to start container process: exec: \"{}\"", printable(name_));
  const bool searched = name_.find('/') == std::string::npos;
  const auto with = [&](const std::string& what) {
    return Error(ErrorKind::System, exec + ": " + what).with_errno(errno_value);
  };
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
      if (searched) return with("executable file not found in $PATH");
      return with(
          fmt::format("stat {}: {}",
                      printable(path),
                      errno_value == ENOENT ? "no such file or directory" : "not a directory"));
    case EISDIR:
      return with("is a directory");
    case EACCES:
      return with("permission denied");
    case ENOEXEC:
      return with("exec format error");
    default:
      return Error::from_errno(errno_value, exec);
  }
}

Result<> Program::check() const {
  int best = ENOENT;
  for (const auto& path : candidates_) {
    const int code = probe(path);
    if (code == 0) return {};
    if (code != ENOENT && code != ENOTDIR) best = code;
    if (candidates_.size() == 1) best = code;
  }
  return describe(best, name_);
}

Error Program::execute() {
  int best = ENOENT;
  for (auto& path : candidates_) {
    int code = sys::execve(path, argv_.data(), envp_.data()).errno_value();
    if (code == ENOEXEC) {
      shell_argv_[1] = path.data();
      code = sys::execve(kShell, shell_argv_.data(), envp_.data()).errno_value();
      if (code == ENOENT) code = ENOEXEC;  // without a shell the first verdict counts
    }
    // As execvp(3): these mean "not here", and a later element may have it; EACCES is remembered.
    if (code != ENOENT && code != ENOTDIR && code != EACCES) return describe(code, path);
    if (code == EACCES || candidates_.size() == 1) best = code;
  }
  // An existing script whose interpreter is missing also gives ENOENT.
  if (best == ENOENT && name_.find('/') != std::string::npos && probe(name_) == 0) {
    return Error(ErrorKind::System,
                 fmt::format("unable to start container process: exec: \"{}\": its interpreter is "
                             "missing: no such file or directory",
                             printable(name_)))
        .with_errno(ENOENT);
  }
  return describe(best, name_);
}

}  // namespace corten::stage
