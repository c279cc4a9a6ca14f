#include "batch/job_uploads.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace rivulet::batch {
namespace {

constexpr std::size_t piece_bytes = 256 * 1024;

error_code last_error() {
    return {errno, boost::system::system_category()};
}

failure about(const std::filesystem::path& file, error_code why) {
    return failure(why, fmt::format("a job's file {}: {}", file.string(), why.message()));
}

// Whatever else somebody keeps in a folder of that name is theirs.
bool is_job_id(const std::string& name) {
    return name.size() == 32 && name.find_first_not_of("0123456789abcdef") == name.npos;
}

class descriptor {
  public:
    explicit descriptor(int fd) : fd_(fd) {}

    ~descriptor() {
        if (fd_ >= 0)
            ::close(fd_);
    }

    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;

    explicit operator bool() const { return fd_ >= 0; }

    int get() const { return fd_; }

  private:
    int fd_;
};

error_code write_all(int to, const std::uint8_t* data, std::size_t size) {
    while (size > 0) {
        const auto written = ::write(to, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return last_error();
        data += written;
        size -= static_cast<std::size_t>(written);
    }
    return {};
}

error_code copy_spool(const spool& from, int to) {
    std::vector<std::uint8_t> piece(piece_bytes);
    std::uint64_t offset = 0;
    while (offset < from.size()) {
        const auto got = from.read(offset, piece);
        if (!got)
            return got.error();
        if (*got == 0)
            return {EIO, boost::system::system_category()};
        if (const auto failed = write_all(to, piece.data(), *got))
            return failed;
        offset += *got;
    }
    return ::fdatasync(to) == 0 ? error_code() : last_error();
}

} // namespace

outcome<void> job_uploads::sync_folder() const {
    const descriptor folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || ::fsync(folder.get()) != 0)
        return about(folder_, last_error());
    return {};
}

outcome<void> job_uploads::prepare(const std::unordered_set<std::string>& known) const {
    if (folder_.empty())
        return {};
    std::error_code failed;
    if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST)
        return about(folder_, last_error());
    for (std::filesystem::directory_iterator each(folder_, failed), end; !failed && each != end;
         each.increment(failed))
        if (const auto name = each->path().filename().string();
            is_job_id(name) && !known.count(name)) {
            std::error_code ignored;
            std::filesystem::remove(each->path(), ignored);
        }
    if (failed)
        return about(folder_, error_code(failed.value(), boost::system::system_category()));
    return {};
}

outcome<void> job_uploads::save(const std::string& id, const spool& content) const {
    if (folder_.empty())
        return {};
    const auto file = folder_ / id;
    const descriptor made(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!made)
        return about(file, last_error());
    if (const auto why = copy_spool(content, made.get())) {
        remove(id);
        return about(file, why);
    }
    return sync_folder();
}

outcome<std::shared_ptr<const spool>>
job_uploads::load(const std::string& id, std::uint64_t size) const {
    const auto file = folder_ / id;
    const descriptor kept(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!kept)
        return about(file, last_error());
    spool_limits limits;
    limits.most = size;
    limits.folder = folder_;
    auto content = std::make_shared<spool>(limits);
    std::vector<std::uint8_t> piece(piece_bytes);
    for (;;) {
        const auto got = ::read(kept.get(), piece.data(), piece.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return about(file, last_error());
        if (got == 0)
            break;
        if (const auto why = content->write({piece.data(), static_cast<std::size_t>(got)}))
            return about(file, why);
    }
    if (content->size() != size)
        return failure(
            errc::media_error, fmt::format("a job's file {} is not whole any more", file.string())
        );
    return std::shared_ptr<const spool>(std::move(content));
}

void job_uploads::remove(const std::string& id) const {
    if (!folder_.empty())
        ::unlink((folder_ / id).c_str());
}

} // namespace rivulet::batch
