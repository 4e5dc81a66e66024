// create, run, start, state, kill, delete, pause, resume.
#include <regex.h>

#include <csignal>
#include <functional>
#include <memory>

#include <fmt/format.h>

#include "command.h"
#include <corten/base/strings.h>

namespace corten::cli {

namespace {

Result<runtime::CreateOptions> create_options(const Parsed& parsed) {
  runtime::CreateOptions options;
  options.id = parsed.positional.front();
  options.bundle = parsed.value_or("bundle", ".");
  options.config = parsed.value_or("config", "");
  options.console_socket = parsed.value_or("console-socket", "");
  options.pid_file = parsed.value_or("pid-file", "");
  options.pidfd_socket = parsed.value_or("pidfd-socket", "");
  options.no_pivot = parsed.has("no-pivot");
  options.no_new_keyring = parsed.has("no-new-keyring");
  options.preserve_fds = TRY(parsed.number("preserve-fds")).value_or(0);
  return options;
}

Result<int> show_plan(const runtime::Context& context, const runtime::CreateOptions& options) {
  const std::string plan = TRY(runtime::dry_run(context, options));
  TRY(print(plan + "\n"));
  return 0;
}

struct SignalName {
  std::string_view name;
  int number;
};

constexpr SignalName kSignals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},     {"QUIT", SIGQUIT}, {"ILL", SIGILL},
    {"TRAP", SIGTRAP}, {"ABRT", SIGABRT},   {"IOT", SIGIOT},   {"BUS", SIGBUS},
    {"FPE", SIGFPE},   {"KILL", SIGKILL},   {"USR1", SIGUSR1}, {"SEGV", SIGSEGV},
    {"USR2", SIGUSR2}, {"PIPE", SIGPIPE},   {"ALRM", SIGALRM}, {"TERM", SIGTERM},
    {"STKFLT", 16},    {"CHLD", SIGCHLD},   {"CLD", SIGCHLD},  {"CONT", SIGCONT},
    {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},   {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},
    {"URG", SIGURG},   {"XCPU", SIGXCPU},   {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM},
    {"PROF", SIGPROF}, {"WINCH", SIGWINCH}, {"IO", SIGIO},     {"POLL", SIGIO},
    {"PWR", SIGPWR},   {"SYS", SIGSYS}};

// The kernel's numbers: glibc keeps two of them from programs, but not from kill(2).
constexpr int kFirstRealtime = 34;
constexpr int kLastRealtime = 64;

std::optional<int> realtime_signal(std::string_view name) {
  const auto offset = [](std::string_view text) {
    return text.empty() ? std::optional<int>(0) : parse_integer<int>(text.substr(1));
  };
  std::optional<int> number;
  if (name.starts_with("RTMIN") && (name.size() == 5 || name[5] == '+')) {
    const auto plus = offset(name.substr(5));
    if (plus) number = kFirstRealtime + *plus;
  } else if (name.starts_with("RTMAX") && (name.size() == 5 || name[5] == '-')) {
    const auto minus = offset(name.substr(5));
    if (minus) number = kLastRealtime - *minus;
  }
  if (number && *number >= kFirstRealtime && *number <= kLastRealtime) return number;
  return std::nullopt;
}

class Regex {
 public:
  static Result<std::unique_ptr<Regex>> compile(const std::string& pattern) {
    auto regex = std::make_unique<Regex>();
    const int code = ::regcomp(&regex->compiled_, pattern.c_str(), REG_EXTENDED | REG_NOSUB);
    if (code == 0) {
      regex->valid_ = true;
      return regex;
    }
    char text[128];
    (void)::regerror(code, &regex->compiled_, text, sizeof text);
    return Error(ErrorKind::InvalidArgument, fmt::format("--regex {}: {}", quote(pattern), text));
  }
  Regex() = default;
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;
  Regex(Regex&&) = delete;
  Regex& operator=(Regex&&) = delete;
  ~Regex() {
    if (valid_) ::regfree(&compiled_);
  }
  bool matches(const std::string& text) const {
    return ::regexec(&compiled_, text.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  regex_t compiled_{};
  bool valid_ = false;
};

// The container with the given ID, or with --regex all whose IDs match: the first failure is the
// command's, the others are still worked on.
Result<int> for_each_named(const Invocation& invocation,
                           const std::function<Result<>(const std::string&)>& work) {
  const std::string& name = invocation.options.positional.front();
  if (!invocation.options.has("regex")) {
    TRY(work(name));
    return 0;
  }
  const auto regex = TRY(Regex::compile(name));
  const auto entries = TRY(runtime::list(invocation.context));
  Result<> outcome;
  for (const auto& entry : entries) {
    if (!regex->matches(entry.id)) continue;
    Result<> one = work(entry.id).context([&] { return "container " + quote(entry.id); });
    if (!one && outcome) outcome = std::move(one);
  }
  TRY(outcome);
  return 0;
}

}  // namespace

Result<int> parse_signal(std::string_view text) {
  const auto number = parse_integer<int>(text);
  if (number && *number >= 0 && *number <= kLastRealtime) return *number;
  std::string upper(text);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  std::string_view name = upper;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (const auto& signal : kSignals) {
    if (signal.name == name) return signal.number;
  }
  if (const auto realtime = realtime_signal(name)) return *realtime;
  return Error(ErrorKind::InvalidArgument, fmt::format("unknown signal {}", quote(text)));
}

Result<int> create_command(const Invocation& invocation) {
  const auto options = TRY(create_options(invocation.options));
  if (invocation.options.has("dry-run")) return show_plan(invocation.context, options);
  TRY(runtime::create(invocation.context, options));
  return 0;
}

Result<int> run_command(const Invocation& invocation) {
  runtime::RunOptions options;
  options.create = TRY(create_options(invocation.options));
  options.detach = invocation.options.has("detach");
  options.keep = invocation.options.has("keep");
  if (invocation.options.has("dry-run")) return show_plan(invocation.context, options.create);
  return runtime::run(invocation.context, options);
}

Result<int> start_command(const Invocation& invocation) {
  TRY(runtime::start(invocation.context, invocation.options.positional.front()));
  return 0;
}

Result<int> state_command(const Invocation& invocation) {
  const spec::State state =
      TRY(runtime::state(invocation.context, invocation.options.positional.front()));
  TRY(print(spec::to_json(state, spec::Extras::Yes, spec::Layout::Indented) + "\n"));
  return 0;
}

Result<int> kill_command(const Invocation& invocation) {
  const auto& positional = invocation.options.positional;
  const int signal = TRY(parse_signal(positional.size() > 1 ? positional[1] : "TERM"));
  const auto all = invocation.options.has("all") ? runtime::KillAll::Yes : runtime::KillAll::No;
  return for_each_named(invocation, [&](const std::string& id) {
    return runtime::kill(invocation.context, id, signal, all);
  });
}

Result<int> delete_command(const Invocation& invocation) {
  const auto force = invocation.options.has("force") ? runtime::Force::Yes : runtime::Force::No;
  return for_each_named(invocation, [&](const std::string& id) {
    return runtime::remove(invocation.context, id, force);
  });
}

Result<int> pause_command(const Invocation& invocation) {
  TRY(runtime::pause(invocation.context, invocation.options.positional.front()));
  return 0;
}

Result<int> resume_command(const Invocation& invocation) {
  TRY(runtime::resume(invocation.context, invocation.options.positional.front()));
  return 0;
}

}  // namespace corten::cli
