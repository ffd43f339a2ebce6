import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;

public class Nio {
    private static int ids = 0;

    private static void log(Object id, String what) {
        System.out.println("[connection " + id + "] " + what);
    }

    private static void read(SelectionKey key) throws IOException {
        SocketChannel channel = (SocketChannel) key.channel();
        ByteBuffer buffer = ByteBuffer.allocate(8192);
        if (channel.read(buffer) < 0) {
            log(key.attachment(), "left");
            channel.close();
            return;
        }
        String text = new String(buffer.array(), 0, buffer.position(), StandardCharsets.UTF_8);
        for (String line : text.split("(?<=\n)")) {
            if (line.strip().equals("CLOSE SOCKET")) {
                log(key.attachment(), "asked to be closed");
                channel.close();
                return;
            }
            ByteBuffer reply = ByteBuffer.wrap(line.toUpperCase().getBytes(StandardCharsets.UTF_8));
            while (reply.hasRemaining()) {
                channel.write(reply);
            }
        }
    }

    public static void main(String[] args) throws IOException {
        Selector selector = Selector.open();
        ServerSocketChannel server = ServerSocketChannel.open();
        server.bind(new InetSocketAddress(Integer.parseInt(args[0])));
        server.configureBlocking(false);
        server.register(selector, SelectionKey.OP_ACCEPT);
        while (true) {
            selector.select();
            for (SelectionKey key : selector.selectedKeys()) {
                if (key.isAcceptable()) {
                    SocketChannel channel = server.accept();
                    channel.configureBlocking(false);
                    channel.register(selector, SelectionKey.OP_READ, ++ids);
                    log(ids, "opened");
                    continue;
                }
                try {
                    read(key);
                } catch (IOException e) {
                    log(key.attachment(), "failed: " + e.getMessage());
                    key.channel().close();
                }
            }
            selector.selectedKeys().clear();
        }
    }
}
