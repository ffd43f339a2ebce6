import java.net.*;

public class InfoServer {
    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[0]);
        DatagramSocket server = new DatagramSocket(port);
        System.out.println("Server started on port " + port);
        byte[] buffer = new byte[2048];
        while (true) {
            DatagramPacket packet = new DatagramPacket(buffer, buffer.length);
            server.receive(packet);
            System.out.println("Client IP: " + packet.getAddress().getHostAddress());
            System.out.println("Client port: " + packet.getPort());
        }
    }
}
