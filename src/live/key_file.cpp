#include "live/key_file.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <iterator>
#include <sys/stat.h>

namespace rivulet::live {
namespace {

constexpr std::uint64_t most_bytes = 2u << 20;
constexpr duration look_interval = std::chrono::seconds(1);

} // namespace

key_file::key_file(std::filesystem::path path, logger log)
    : path_(std::move(path)), log_(std::move(log)) {}

outcome<std::shared_ptr<key_file>> key_file::open(std::filesystem::path path, logger log) {
    auto made = std::make_shared<key_file>(std::move(path), std::move(log));
    // In this order: a change between the two is seen at the next look.
    if (auto seen = made->look())
        made->version_ = *seen;
    auto first = made->read();
    if (!first)
        return first.error();
    made->log_.info("{}: {} stream keys", made->path_.string(), first->size());
    made->keys_ = std::make_shared<const stream_keys>(std::move(*first));
    return made;
}

result<key_file::version> key_file::look() const {
    struct stat now {};

    if (::stat(path_.c_str(), &now) != 0)
        return error_code(errno, boost::system::system_category());
    return version{
        now.st_mtim.tv_sec,
        now.st_mtim.tv_nsec,
        static_cast<std::uint64_t>(now.st_size),
        static_cast<std::uint64_t>(now.st_ino)};
}

outcome<stream_keys> key_file::read() const {
    const auto fail = [this](std::string_view why) {
        return failure(errc::invalid_argument, fmt::format("{}: {}", path_.string(), why));
    };
    const auto seen = look();
    if (!seen)
        return fail(seen.error().message());
    if (seen->size > most_bytes)
        return fail(fmt::format("more than {} bytes", most_bytes));
    std::ifstream in(path_, std::ios::binary);
    std::string text(most_bytes + 1, '\0'); // whatever size it has by now
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad() || (in.gcount() == 0 && !in.eof()))
        return fail("it can't be read");
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > most_bytes)
        return fail(fmt::format("more than {} bytes", most_bytes));
    auto parsed = stream_keys::parse(text);
    if (!parsed)
        return fail(parsed.error().detail);
    return parsed;
}

std::shared_ptr<const stream_keys> key_file::keys(time_point now) {
    const std::lock_guard lock(mutex_);
    if (now < next_look_)
        return keys_;
    next_look_ = now + look_interval;
    auto seen = look();
    if (seen && *seen == version_)
        return keys_;
    auto fresh = read();
    if (!fresh) {
        // An editor may be half-way through; it is looked at again.
        if (complaint_ != fresh.error().detail) {
            complaint_ = fresh.error().detail;
            log_.error("{}; the keys read before stay", complaint_);
        }
        return keys_;
    }
    complaint_.clear();
    if (seen)
        version_ = *seen;
    keys_ = std::make_shared<const stream_keys>(std::move(*fresh));
    log_.info("{} changed: {} stream keys", path_.string(), keys_->size());
    return keys_;
}

} // namespace rivulet::live
