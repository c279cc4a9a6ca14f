#include "webrtc/udp_batch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace rivulet::webrtc {
namespace {

asio::ip::address address_of(const in_addr& raw) {
    return asio::ip::address_v4(ntohl(raw.s_addr));
}

asio::ip::address address_of(const in6_addr& raw, std::uint32_t scope) {
    asio::ip::address_v6::bytes_type octets;
    std::memcpy(octets.data(), &raw, octets.size());
    return plain(asio::ip::address_v6(octets, scope));
}

in6_addr raw_v6(const asio::ip::address& address) {
    const auto v6 = address.is_v6()
                        ? address.to_v6()
                        : asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4());
    in6_addr raw;
    std::memcpy(&raw, v6.to_bytes().data(), sizeof raw);
    return raw;
}

path_id id_of(const sockaddr_storage& from) {
    path_id id;
    if (from.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
        id.address = address_of(v4.sin_addr);
        id.port = ntohs(v4.sin_port);
    } else if (from.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
        id.address = address_of(v6.sin6_addr, v6.sin6_scope_id);
        id.port = ntohs(v6.sin6_port);
    }
    return id;
}

// The destination in the socket's own family.
socklen_t write_name(const path_id& id, bool v6_socket, sockaddr_storage& into) {
    std::memset(&into, 0, sizeof(sockaddr_in6));
    if (v6_socket) {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(into);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(id.port);
        v6.sin6_addr = raw_v6(id.address);
        if (id.address.is_v6())
            v6.sin6_scope_id = static_cast<std::uint32_t>(id.address.to_v6().scope_id());
        return sizeof v6;
    }
    auto& v4 = reinterpret_cast<sockaddr_in&>(into);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(id.port);
    v4.sin_addr.s_addr = htonl(id.address.is_v4() ? id.address.to_v4().to_uint() : 0);
    return sizeof v4;
}

bool is_v6_socket(int socket) {
    int family = AF_INET;
    socklen_t length = sizeof family;
    getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &length);
    return family == AF_INET6;
}

struct alignas(16) control_room {
    std::array<char, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(std::uint16_t))> octets;
};

asio::ip::address local_of(msghdr& header) {
    for (auto* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
            in_pktinfo info;
            std::memcpy(&info, CMSG_DATA(part), sizeof info);
            return address_of(info.ipi_addr);
        }
        if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info;
            std::memcpy(&info, CMSG_DATA(part), sizeof info);
            return address_of(info.ipi6_addr, 0);
        }
    }
    return {};
}

template <class T>
void add_control(msghdr& header, control_room& room, int level, int type, const T& value) {
    auto* part = reinterpret_cast<cmsghdr*>(room.octets.data() + header.msg_controllen);
    part->cmsg_level = level;
    part->cmsg_type = type;
    part->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(part), &value, sizeof value);
    header.msg_control = room.octets.data();
    header.msg_controllen += CMSG_SPACE(sizeof value);
}

void add_source(
    msghdr& header, control_room& room, const asio::ip::address& local, bool v6_socket
) {
    if (local.is_unspecified())
        return;
    if (v6_socket) {
        in6_pktinfo info{};
        info.ipi6_addr = raw_v6(local);
        add_control(header, room, IPPROTO_IPV6, IPV6_PKTINFO, info);
    } else if (local.is_v4()) {
        in_pktinfo info{};
        info.ipi_spec_dst.s_addr = htonl(local.to_v4().to_uint());
        add_control(header, room, IPPROTO_IP, IP_PKTINFO, info);
    }
}

} // namespace

struct udp_receiver::state {
    struct alignas(16) datagram {
        std::array<std::uint8_t, datagram_bytes> octets;
    };

    bool every_address = false;
    std::vector<datagram> datagrams{batch};
    std::array<sockaddr_storage, batch> names{};
    std::array<control_room, batch> controls{};
    std::array<iovec, batch> parts{};
    std::array<mmsghdr, batch> messages{};
};

udp_receiver::udp_receiver(bool every_address) : state_(std::make_unique<state>()) {
    state_->every_address = every_address;
}

udp_receiver::~udp_receiver() = default;

result<std::size_t> udp_receiver::receive(
    int socket, const std::function<void(const path&, std::span<std::uint8_t>)>& each
) {
    auto& s = *state_;
    for (std::size_t i = 0; i < batch; ++i) {
        s.parts[i] = {s.datagrams[i].octets.data(), datagram_bytes};
        auto& header = s.messages[i].msg_hdr;
        header = {};
        header.msg_name = &s.names[i];
        header.msg_namelen = sizeof s.names[i];
        header.msg_iov = &s.parts[i];
        header.msg_iovlen = 1;
        if (s.every_address) {
            header.msg_control = s.controls[i].octets.data();
            header.msg_controllen = s.controls[i].octets.size();
        }
    }
    const int got = recvmmsg(socket, s.messages.data(), batch, MSG_DONTWAIT, nullptr);
    if (got < 0)
        return error_code(errno, boost::system::system_category());
    for (int i = 0; i < got; ++i) {
        const auto at = static_cast<std::size_t>(i);
        auto& message = s.messages[at];
        if (message.msg_len == 0 || message.msg_hdr.msg_flags & MSG_TRUNC)
            continue;
        path from;
        from.remote = id_of(s.names[at]);
        if (s.every_address)
            from.local = local_of(message.msg_hdr);
        each(from, {s.datagrams[at].octets.data(), message.msg_len});
    }
    return static_cast<std::size_t>(got);
}

struct udp_sender::state {
    struct slot {
        path to;
        std::size_t length = 0;
    };

    static constexpr std::size_t batch = 64;        // messages of one call
    static constexpr std::size_t segments = 44;     // datagrams of one message…
    static constexpr std::size_t together = 60'000; // …and their octets

    state(std::size_t count, std::size_t bytes)
        : slot_bytes((bytes + 15) / 16 * 16), memory(count * slot_bytes + 16), slots(count),
          parts(count) {
        void* begin = memory.data();
        std::size_t left = memory.size();
        std::align(16, count * slot_bytes, begin, left);
        first = static_cast<std::uint8_t*>(begin);
    }

    std::uint8_t* octets(std::size_t index) { return first + index * slot_bytes; }

    const slot& at(std::size_t offset) const { return slots[(head + offset) % slots.size()]; }

    std::size_t run_length(std::size_t offset, bool segmented) const;
    std::size_t build(bool v6_socket);

    std::size_t slot_bytes;
    std::vector<std::uint8_t> memory;
    std::uint8_t* first = nullptr;
    std::vector<slot> slots; // a ring
    std::size_t head = 0, used = 0;
    bool segmentation = true; // until the kernel refuses it

    std::vector<iovec> parts;
    std::array<sockaddr_storage, batch> names{};
    std::array<control_room, batch> controls{};
    std::array<mmsghdr, batch> messages{};
    std::array<std::size_t, batch> counts{}; // slots of each message
};

udp_sender::udp_sender(std::size_t slots, std::size_t slot_bytes)
    : state_(std::make_unique<state>(slots, slot_bytes)) {}

udp_sender::~udp_sender() = default;

std::span<std::uint8_t> udp_sender::room(const path& to) {
    auto& s = *state_;
    if (s.used == s.slots.size())
        return {};
    const auto index = (s.head + s.used) % s.slots.size();
    s.slots[index].to = to;
    return {s.octets(index), s.slot_bytes};
}

void udp_sender::commit(std::size_t length) {
    auto& s = *state_;
    s.slots[(s.head + s.used) % s.slots.size()].length = length;
    ++s.used;
}

std::size_t udp_sender::waiting() const {
    return state_->used;
}

// How many datagrams from `offset` on the kernel can cut from one message: the same way and size,
// but for a shorter last one.
std::size_t udp_sender::state::run_length(std::size_t offset, bool segmented) const {
    const auto& begin = at(offset);
    std::size_t count = 1, octets = begin.length;
    while (segmented && offset + count < used && count < segments) {
        const auto& next = at(offset + count);
        octets += next.length;
        if (next.length > begin.length || octets > together || next.to.remote != begin.to.remote ||
            next.to.local != begin.to.local)
            break;
        ++count;
        if (next.length < begin.length)
            break;
    }
    return count;
}

std::size_t udp_sender::state::build(bool v6_socket) {
    std::size_t offset = 0, built = 0;
    while (offset < used && built < batch) {
        const auto count = run_length(offset, segmentation);
        const auto& begin = at(offset);
        auto& header = messages[built].msg_hdr;
        header = {};
        header.msg_namelen = write_name(begin.to.remote, v6_socket, names[built]);
        header.msg_name = &names[built];
        header.msg_iov = &parts[offset];
        header.msg_iovlen = count;
        for (std::size_t i = 0; i < count; ++i) {
            const auto index = (head + offset + i) % slots.size();
            parts[offset + i] = {octets(index), slots[index].length};
        }
        add_source(header, controls[built], begin.to.local, v6_socket);
        if (count > 1)
            add_control(
                header,
                controls[built],
                IPPROTO_UDP,
                UDP_SEGMENT,
                static_cast<std::uint16_t>(begin.length)
            );
        counts[built] = count;
        offset += count;
        ++built;
    }
    return built;
}

udp_sender::flushed udp_sender::flush(int socket) {
    auto& s = *state_;
    flushed done;
    const bool v6_socket = is_v6_socket(socket);
    while (s.used > 0) {
        const auto built = s.build(v6_socket);
        const int sent =
            sendmmsg(socket, s.messages.data(), static_cast<unsigned>(built), MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            done.blocked = true;
            return done;
        }
        std::size_t gone = 0;
        if (sent < 0) {
            if (s.counts[0] > 1 && (errno == EIO || errno == EINVAL || errno == EOPNOTSUPP)) {
                s.segmentation = false; // an interface or a kernel without it
                continue;
            }
            gone = s.counts[0]; // only this peer can't be reached
            done.failed += gone;
        }
        for (int i = 0; i < sent; ++i)
            gone += s.counts[static_cast<std::size_t>(i)];
        if (sent > 0)
            done.sent += gone;
        s.head = (s.head + gone) % s.slots.size();
        s.used -= gone;
    }
    return done;
}

} // namespace rivulet::webrtc
