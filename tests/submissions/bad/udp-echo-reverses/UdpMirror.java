import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;

public class UdpMirror {
    public static void main(String[] args) throws Exception {
        DatagramChannel channel = DatagramChannel.open();
        channel.bind(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])));
        ByteBuffer buffer = ByteBuffer.allocate(65535);
        System.out.println("Mirror at " + channel.getLocalAddress());
        while (true) {
            buffer.clear();
            SocketAddress from = channel.receive(buffer);
            buffer.flip();
            System.out.println(from + " -> " + buffer.remaining() + " bytes");
            ByteBuffer reply = ByteBuffer.allocate(buffer.remaining());
            for (int i = buffer.limit() - 1; i >= 0; i--) {
                reply.put(buffer.get(i));
            }
            reply.flip();
            channel.send(reply, from);
        }
    }
}
