// The command `corten`: finds the command, opens the log, reports one error.
#include <malloc.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <string>

#include <fmt/format.h>

#include "command.h"
#include "start.h"
#include <corten/base/log.h>
#include <corten/base/strings.h>
#include <corten/runtime/self_exe.h>
#include <corten/sys/file.h>

namespace corten::cli {

namespace {

constexpr int kUnknownCommand = 3;

std::string program_name(const char* argv0) {
  const std::string_view path = argv0 == nullptr ? "corten" : argv0;
  const auto slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  // Called by a peer's name it stands in for that peer.
  return name == "runc" || name == "crun" ? std::string(name) : "corten";
}

Result<runtime::Context> make_context(const Parsed& globals) {
  runtime::Context context;
  context.root = globals.has("root") ? globals.value_or("root", "") : default_root();
  if (context.root.empty())
    return Error(ErrorKind::InvalidArgument, "--root takes a directory, not ''");
  if (!context.root.starts_with('/')) {
    const std::string cwd = TRY(sys::getcwd());
    context.root = cwd + "/" + context.root;
  }
  context.root = clean_path(context.root);
  if (context.root == "/") return Error(ErrorKind::InvalidArgument, "--root cannot be /");
  const std::string manager =
      globals.value_or("cgroup-manager", globals.has("systemd-cgroup") ? "systemd" : "cgroupfs");
  if (manager == "systemd") {
    context.cgroup_driver = plan::CgroupDriver::Systemd;
  } else if (manager == "disabled") {
    context.cgroup_driver = plan::CgroupDriver::Disabled;
  } else if (manager != "cgroupfs") {
    return Error(ErrorKind::InvalidArgument,
                 "--cgroup-manager takes cgroupfs, systemd or disabled, not " + quote(manager));
  }
  return context;
}

Result<int> show(const std::string& text) {
  TRY(print(text));
  return 0;
}

Result<> check_positionals(const Command& command, const Parsed& parsed) {
  const std::size_t count = parsed.positional.size();
  if (count < command.min_positionals) {
    return Error(ErrorKind::InvalidArgument,
                 fmt::format("\"corten {}\" requires {}: {}",
                             command.name,
                             command.min_positionals == 1 ? "an argument" : "arguments",
                             command.arguments));
  }
  // Engines pass empty arguments by habit.
  const auto surplus =
      std::count_if(parsed.positional.begin() +
                        static_cast<std::ptrdiff_t>(std::min(count, command.max_positionals)),
                    parsed.positional.end(),
                    [](const std::string& one) { return !one.empty(); });
  if (surplus == 0) return {};
  return Error(ErrorKind::InvalidArgument,
               fmt::format("\"corten {}\" takes {}",
                           command.name,
                           command.arguments.empty() ? std::string("no arguments")
                                                     : fmt::format("only {}", command.arguments)));
}

class Program {
 public:
  Program(int argc, char** argv)
      : argv_(argv),
        arguments_(argv + std::min(argc, 1), argv + argc),
        inherited_(count_inherited_descriptors()),
        name_(program_name(argc > 0 ? argv[0] : nullptr)) {}

  int run() {
    Result<int> done = open_log(before_command());
    const Result<int> status = done ? execute() : std::move(done);
    if (status) return *status;
    log::write(log::Level::Error, status.error().message());
    return failure_status_;
  }

 private:
  static Result<int> open_log(std::span<char* const> arguments) {
    TRY(cli::open_log(arguments));
    return 0;
  }

  // Global options take values, so the first word that is not an option or a value is the command.
  std::span<char* const> before_command() {
    std::size_t at = 0;
    while (at < arguments_.size()) {
      const std::string_view text = arguments_[at];
      if (text.size() < 2 || text.front() != '-' || text == "--") break;
      const std::string_view bare = text.substr(text.starts_with("--") ? 2 : 1);
      const bool value_follows =
          at + 1 < arguments_.size() && is_optional_value(arguments_[at + 1]);
      const auto takes_value = [&](const Option& one) {
        return one.name == bare &&
               (one.takes == Takes::Value || (one.takes == Takes::OptionalValue && value_follows));
      };
      const auto globals = global_options();
      at += std::any_of(globals.begin(), globals.end(), takes_value) ? 2 : 1;
    }
    command_at_ = std::min(at, arguments_.size());
    return arguments_.subspan(0, command_at_);
  }

  Result<int> execute() {
    const Parsed globals =
        TRY(parse_options(before_command(), global_options(), Order::Anywhere, 0));
    if (globals.has("version") || globals.has("V")) return show(version_text(name_));
    if (globals.has("help") || command_at_ >= arguments_.size()) return show(program_help(name_));
    const std::string_view word = arguments_[command_at_];
    const auto rest = arguments_.subspan(command_at_ + 1);
    if (word == "help" || word == "h") return help(rest);
    const Command* command = find_command(word);
    if (command == nullptr) return unknown_command(word);
    failure_status_ = command->failure_status;
    return dispatch(*command, globals, rest);
  }

  Result<int> help(std::span<char* const> rest) {
    if (rest.empty() || *rest.front() == '-') return show(program_help(name_));
    const Command* command = find_command(rest.front());
    if (command == nullptr) return unknown_command(rest.front());
    return show(command_help(*command, name_));
  }

  Error unknown_command(std::string_view word) {
    failure_status_ = kUnknownCommand;
    return Error(ErrorKind::InvalidArgument,
                 fmt::format("unknown command {}: see --help", quote(word)));
  }

  Result<int> dispatch(const Command& command, const Parsed& globals, std::span<char* const> rest) {
    Invocation invocation;
    invocation.program = name_;
    invocation.options =
        TRY(parse_options(rest, command.options, command.order, command.leading_positionals));
    // Podman asks for this help to learn whether it can be done at all.
    if (invocation.options.has("help") && command.run == checkpoint_command)
      TRY(runtime::probe_checkpoint());
    if (invocation.options.has("help")) return show(command_help(command, name_));
    TRY(check_positionals(command, invocation.options));
    invocation.context = TRY(make_context(globals));
    if (command.enters == EntersContainer::Yes && !invocation.options.has("dry-run")) {
      const auto preserved = TRY(invocation.options.number("preserve-fds"));
      TRY(claim_descriptors(inherited_, preserved.value_or(0)));
      TRY(runtime::protect_executable(argv_));
    }
    return command.run(invocation);
  }

  char** argv_;
  std::span<char* const> arguments_;
  unsigned inherited_;
  std::string name_;
  std::size_t command_at_ = 0;
  int failure_status_ = 1;
};

}  // namespace

}  // namespace corten::cli

int main(int argc, char** argv) {
  if (::getauxval(AT_SECURE) != 0) {
    // Somebody made the binary set-uid: it was not written for that, and every option would be an
    // attack.
    corten::log::write(corten::log::Level::Error,
                       "refusing to run set-uid or with file capabilities");
    return 1;
  }
  // A short life: the heap grows once and is not given back in between.
  ::mallopt(M_TOP_PAD, 1 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  corten::cli::ensure_stdio();
  // Files and directories have explicit modes; the caller's mask must not change them. The program
  // in the container gets its own.
  ::umask(0022);
  return corten::cli::Program(argc, argv).run();
}
