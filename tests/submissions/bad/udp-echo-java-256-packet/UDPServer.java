import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;

public class UDPServer {
    private final DatagramSocket receiver;

    public UDPServer(int port) throws IOException {
        receiver = new DatagramSocket(port);
    }

    public void serve() throws IOException {
        byte[] data = new byte[256];
        while (true) {
            DatagramPacket in = new DatagramPacket(data, data.length);
            receiver.receive(in);
            DatagramPacket out = new DatagramPacket(in.getData(), in.getLength(), in.getAddress(), in.getPort());
            receiver.send(out);
        }
    }

    public static void main(String[] args) throws IOException {
        new UDPServer(Integer.valueOf(args[0])).serve();
    }
}
