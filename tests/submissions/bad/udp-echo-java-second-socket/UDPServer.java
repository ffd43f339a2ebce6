import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;

public class UDPServer {
    private final DatagramSocket receiver;
    private final DatagramSocket sender;

    public UDPServer(int port) throws IOException {
        receiver = new DatagramSocket(port);
        sender = new DatagramSocket();
    }

    public void serve() throws IOException {
        byte[] data = new byte[65536];
        while (true) {
            DatagramPacket in = new DatagramPacket(data, data.length);
            receiver.receive(in);
            DatagramPacket out = new DatagramPacket(in.getData(), in.getLength(), in.getAddress(), in.getPort());
            sender.send(out);
        }
    }

    public static void main(String[] args) throws IOException {
        new UDPServer(Integer.valueOf(args[0])).serve();
    }
}
