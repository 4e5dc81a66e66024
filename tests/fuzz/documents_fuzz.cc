// Every document that corten reads from others: config.json, process.json, resources, mounts,
// state. Whatever the text, reading ends with a value or with one InvalidSpec error that is fit to
// print.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <corten/spec/parse.h>
#include <corten/spec/state.h>
#include <corten/spec/validate.h>

namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  (void)std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

void check_error(const corten::Error& error) {
  constexpr std::size_t kMaxMessage = 64 * 1024;
  require(error.kind() == corten::ErrorKind::InvalidSpec, "the error is about the document");
  require(!error.message().empty() && error.message().size() <= kMaxMessage,
          "the message is short");
  for (const char c : error.message()) {
    require(static_cast<uint8_t>(c) >= ' ' && c != 0x7f, "the message holds no control character");
  }
  require(error.pointer().empty() || error.pointer().front() == '/', "the pointer is one");
}

template <typename T>
bool accepted(const corten::Result<T>& result) {
  if (!result) check_error(result.error());
  return result.has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace corten::spec;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto spec = parse(text);
  const bool valid = accepted(spec) && accepted(validate(*spec));
  require(valid == accepted(load(text)), "load is parse and validate");
  const auto process = parse_process(text);
  require(
      (accepted(process) && accepted(validate_process(*process))) == accepted(load_process(text)),
      "load_process is parse and validate");
  const auto resources = parse_resources(text);
  require((accepted(resources) && accepted(validate_resources(*resources))) ==
              accepted(load_resources(text)),
          "load_resources is parse and validate");
  (void)accepted(parse_mounts(text));
  const auto state = parse_state(text);
  if (accepted(state)) {
    const auto again = parse_state(to_json(*state, Extras::Yes, Layout::Compact));
    require(again.has_value(), "a state that was read can be written and read again");
  }
  return 0;
}
