#include "criu_rpc.h"

namespace corten::runtime::criu {

namespace {

// Wire types of protobuf: a varint, 8 bytes, a length and that many bytes, 4 bytes.
enum class Wire : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

// --- writing
// ---------------------------------------------------------------------------------------------

class Writer {
 public:
  Writer& number(uint32_t field, int64_t value) {
    varint(uint64_t{field} << 3U | static_cast<uint64_t>(Wire::Varint));
    varint(static_cast<uint64_t>(value));
    return *this;
  }
  Writer& bytes(uint32_t field, std::string_view value) {
    varint(uint64_t{field} << 3U | static_cast<uint64_t>(Wire::Bytes));
    varint(value.size());
    out_ += value;
    return *this;
  }
  // What is false, 0 or empty is left out.
  Writer& flag(uint32_t field, bool value) { return value ? number(field, 1) : *this; }
  Writer& text(uint32_t field, std::string_view value) {
    return value.empty() ? *this : bytes(field, value);
  }
  template <typename T>
  Writer& maybe(uint32_t field, const std::optional<T>& value) {
    return value ? number(field, static_cast<int64_t>(*value)) : *this;
  }
  const std::string& out() const { return out_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7U) out_ += static_cast<char>(value | 0x80U);
    out_ += static_cast<char>(value);
  }

  std::string out_;
};

void write_pairs(Writer& out,
                 uint32_t field,
                 const std::vector<std::pair<std::string, std::string>>& pairs) {
  for (const auto& [first, second] : pairs)
    out.bytes(field, Writer().bytes(1, first).bytes(2, second).out());
}

// The numbers are those of message criu_opts, and its order.
std::string encode_options(const Options& options) {
  Writer out;
  out.number(1, options.images_dir_fd).maybe(2, options.pid);
  out.flag(3, options.leave_running).flag(4, options.ext_unix_sk);
  out.flag(5, options.tcp_established).flag(6, options.evasive_devices);
  out.flag(7, options.shell_job).flag(8, options.file_locks);
  out.number(9, options.log_level).text(10, options.log_file);
  if (options.page_server_port != 0) {
    const Writer server =
        Writer().text(1, options.page_server_address).number(2, options.page_server_port);
    out.bytes(11, server.out());
  }
  out.flag(12, options.notify_scripts).text(13, options.root);
  out.text(14, options.parent_image).flag(15, !options.parent_image.empty());
  out.flag(16, options.auto_dedup).maybe(17, options.work_dir_fd).flag(18, options.link_remap);
  write_pairs(out, 23, options.external_mounts);
  out.flag(24, true);  // manage_cgroups: what 34 replaced
  write_pairs(out, 25, options.cgroup_roots);
  out.flag(26, options.restore_sibling);
  for (const auto& [key, fd] : options.inherited)
    out.bytes(27, Writer().bytes(1, key).number(2, fd).out());
  out.number(34, static_cast<int64_t>(options.cgroup_mode));
  for (const auto& one : options.external) out.bytes(37, one);
  out.maybe(38, options.empty_namespaces);
  write_pairs(out, 39, options.join_namespaces);
  out.text(44, options.freeze_cgroup).flag(46, options.tcp_skip_in_flight);
  out.flag(48, options.lazy_pages).maybe(49, options.status_fd);
  out.flag(50, options.orphan_pts_master).text(51, options.config_file);
  out.flag(52, options.tcp_close).text(53, options.lsm_profile);
  out.text(63, options.lsm_mount_context).maybe(64, options.network_lock);
  return out.out();
}

// --- reading
// ---------------------------------------------------------------------------------------------

struct Field {
  uint64_t number = 0;
  uint64_t value = 0;      // Varint
  std::string_view bytes;  // Bytes
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }

  Result<Field> next() {
    const uint64_t tag = TRY(varint());
    Field field;
    field.number = tag >> 3U;
    switch (static_cast<Wire>(tag & 7U)) {
      case Wire::Varint:
        field.value = TRY(varint());
        return field;
      case Wire::Bytes: {
        const uint64_t size = TRY(varint());
        field.bytes = TRY(take(size));
        return field;
      }
      case Wire::Fixed64:
        TRY(take(8));
        return field;
      case Wire::Fixed32:
        TRY(take(4));
        return field;
    }
    return malformed();
  }

 private:
  static Error malformed() { return Error(ErrorKind::Protocol, "malformed message from CRIU"); }

  Result<std::string_view> take(uint64_t size) {
    if (size > rest_.size()) return malformed();
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  Result<uint64_t> varint() {
    constexpr unsigned kMaxBits = 64;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < kMaxBits; shift += 7) {
      if (rest_.empty()) return malformed();
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80U) == 0) return value;
    }
    return malformed();
  }

  std::string_view rest_;
};

template <typename F>
Result<> for_each_field(std::string_view bytes, F&& take) {
  Reader reader(bytes);
  while (!reader.done()) {
    const Field field = TRY(reader.next());
    TRY(take(field));
  }
  return {};
}

Result<> read_notification(std::string_view bytes, Response& response) {
  return for_each_field(bytes, [&](const Field& field) -> Result<> {
    if (field.number == 1) response.notification = field.bytes;
    if (field.number == 2) response.pid = static_cast<int>(field.value);
    return {};
  });
}

Result<> read_features(std::string_view bytes, Response& response) {
  return for_each_field(bytes, [&](const Field& field) -> Result<> {
    if (field.number == 1) response.features.memory_tracking = field.value != 0;
    if (field.number == 2) response.features.lazy_pages = field.value != 0;
    return {};
  });
}

Result<> read_version(std::string_view bytes, Response& response) {
  return for_each_field(bytes, [&](const Field& field) -> Result<> {
    constexpr int kMajor = 10000;
    constexpr int kMinor = 100;
    if (field.number == 1) response.version += static_cast<int>(field.value) * kMajor;
    if (field.number == 2) response.version += static_cast<int>(field.value) * kMinor;
    if (field.number == 4) response.version += static_cast<int>(field.value);
    return {};
  });
}

Result<> read_restored(std::string_view bytes, Response& response) {
  return for_each_field(bytes, [&](const Field& field) -> Result<> {
    if (field.number == 1) response.pid = static_cast<int>(field.value);
    return {};
  });
}

}  // namespace

std::string encode_request(Type type, const Options* options, const Features* features) {
  Writer out;
  out.number(1, static_cast<int64_t>(type));
  if (options != nullptr) out.bytes(2, encode_options(*options));
  if (features != nullptr) {
    const Writer wanted = Writer().flag(1, features->memory_tracking).flag(2, features->lazy_pages);
    out.bytes(5, wanted.out());
  }
  return out.out();
}

std::string encode_notify_answer(bool success) {
  return Writer().number(1, static_cast<int64_t>(Type::Notify)).number(3, success ? 1 : 0).out();
}

Result<Response> decode_response(std::string_view bytes) {
  Response response;
  TRY(for_each_field(bytes, [&](const Field& field) -> Result<> {
    switch (field.number) {
      case 1:
        response.type = static_cast<Type>(field.value);
        return {};
      case 2:
        response.success = field.value != 0;
        return {};
      case 4:
        return read_restored(field.bytes, response);
      case 5:
        return read_notification(field.bytes, response);
      case 7:
        response.error = static_cast<int>(field.value);
        return {};
      case 8:
        return read_features(field.bytes, response);
      case 9:
        response.message = field.bytes;
        return {};
      case 10:
        return read_version(field.bytes, response);
      default:
        return {};
    }
  }));
  return response;
}

}  // namespace corten::runtime::criu
